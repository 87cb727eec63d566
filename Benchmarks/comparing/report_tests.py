"""What becomes of samples, on samples whose results are plain to see. Run by `compare --check`."""

import math
import unittest

from .benchmarks import Figure, Target
from .measuring import ratio
from .report import figure_result, headlines_table, targets_table, verdict


def everything(figure, values):
    titles = {"uvkeeper": "UVKeeper", "c": "C"}
    result = {"group": "micro", "figures": [figure_result(figure, values, {})]}
    return {"titles": titles, "benchmarks": [result]}


class ReportTests(unittest.TestCase):
    def test_a_ratio_is_that_of_the_medians(self):
        self.assertEqual(ratio([10, 20, 90], [10, 10, 10])["value"], 2)

    def test_the_range_holds_the_ratio_even_if_the_turns_do_not(self):
        measured = ratio([1, 10, 100, 1, 1], [1, 1, 1, 10, 100])
        self.assertLessEqual(measured["low"], measured["value"])
        self.assertGreaterEqual(measured["high"], measured["value"])

    def test_a_single_sample_has_no_spread(self):
        self.assertEqual(ratio([3], [2]), {"value": 1.5, "low": 1.5, "high": 1.5, "spread": None})

    def test_nothing_is_as_long_as_nothing(self):
        self.assertEqual(ratio([0], [0])["value"], 1)
        self.assertEqual(ratio([1], [0])["value"], math.inf)

    def test_a_limit_within_the_range_is_undecided_and_one_outside_is_not(self):
        measured = {"low": 0.9, "high": 1.2}
        for kind, limit, expected in (
            ("at most", 1.0, "undecided"), ("at least", 1.0, "undecided"),
            ("at most", 1.2, "met"), ("at least", 0.9, "met"),
            ("at most", 0.8, "missed"), ("at least", 1.3, "missed"),
            ("absolute", 1.3, "met"), ("absolute", 0.5, "missed"),
        ):
            self.assertEqual(verdict(kind, limit, measured), expected, (kind, limit))

    def test_the_tables_show_the_same_ratio_and_the_range(self):
        figure = Figure("64 B lines, 1 connection", targets=[Target("c", "at most", 1.1)])
        shown = everything(figure, {"uvkeeper": [100, 110, 120], "c": [100, 100, 100]})
        self.assertIn("| 110 ns ±5 % | 0.91× ±5 % |", list(headlines_table(shown))[-1])
        self.assertIn("| 1.10× | 1.05 to 1.15 | **undecided** |", list(targets_table(shown))[-1])

    def test_the_whole_text_of_a_variant_stands_in_the_targets(self):
        figure = Figure("lines", targets=[Target("c", "at most", 9, "uvkeeper:manager")])
        shown = everything(figure, {"uvkeeper": [1], "uvkeeper:manager": [1], "c": [1]})
        self.assertIn("lines, `writeRPC`; lines that wait share a connection", list(targets_table(shown))[-1])

    def test_allocations_are_judged_as_counted_and_not_at_all_when_they_were_not(self):
        figure = Figure("echo", targets=[Target("", "allocations", 0)])
        for counted, expected in ((0.002, "met"), (1.0, "missed")):
            result = figure_result(figure, {"uvkeeper": [1, 2]}, {"uvkeeper": {"allocations": counted}})
            self.assertEqual(result["targets"][0]["verdict"], expected)
        shown = {"titles": {"uvkeeper": "UVKeeper"}, "benchmarks": [{"group": "network", "figures": [result]}]}
        self.assertIn("| at most 0 allocations | 1 |  | **missed** |", list(targets_table(shown))[-1])
        self.assertEqual(figure_result(figure, {"uvkeeper": [1]}, {})["targets"], [])
