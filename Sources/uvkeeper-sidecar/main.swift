print("uvkeeper-sidecar")
