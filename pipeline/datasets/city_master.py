"""Cities with their states and other spellings: what the addresses are looked up in."""

from pipeline.datasets.declaration import Column, Dataset

DATASET = Dataset(
    name="city_master",
    table="stg_cities",
    row="one city",
    key="city_name",
    mode="snapshot",
    aliases=("cities",),
    encoding="cp1252",
    columns=(
        Column("city_name", "key", aliases=("city",), case="title", ascii=False, comment="title case"),
        Column("state_name", "code", aliases=("state",), case="title", comment="full name"),
        Column("state_code", "code", case="upper", comment="two letters"),
        Column(
            "common_misspellings",
            "aliases",
            aliases=("misspellings", "aliases"),
            comment="other spellings that mean this city",
        ),
    ),
)
