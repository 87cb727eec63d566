print("uvkeeper")
