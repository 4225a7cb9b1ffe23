"""The page `output/report.html`: `figures` asks the marts, `page` writes, with `charts` and `markup`, what they say."""
