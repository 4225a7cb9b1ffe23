"""The page `output/report.html`: `figures` asks the marts, `html` writes, with `charts` and `markup`, what they say."""
