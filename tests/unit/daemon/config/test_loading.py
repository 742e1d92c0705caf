"""One checked configuration from four layers, and one clear line for every mistake."""

from __future__ import annotations

import dataclasses
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brain.registry import brains
from brain.upgrades import VERSION
from daemon.config.loading import (
    config_from_dict,
    list_brains,
    list_presets,
    override_config,
    parse_set,
    resolve_config,
    setting_names,
)
from daemon.config.setting_ranges import range_of
from daemon.config.setting_upgrades import config_to_dict
from daemon.config.tree import DEFAULT_BRAIN
from daemon.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.config.tree import RunConfig


def resolve(
    overrides: dict[str, Any] | None = None,
    *,
    preset: str | Path | None = None,
    environ: dict[str, str] | None = None,
) -> RunConfig:
    return resolve_config(preset=preset, overrides=overrides or {}, environ=environ or {})


def complaint(overrides: dict[str, Any] | None = None, **where: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(overrides, **where)
    message = str(caught.value)
    assert "\n" not in message
    return message


def deep_table(levels: int) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for _ in range(levels):
        table = {"a": table}
    return table


def deep_list(levels: int) -> list[Any]:
    items: list[Any] = []
    for _ in range(levels):
        items = [items]
    return items


def test_each_layer_overrides_the_one_before(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(
        'summary = "mine"\nseed = 1\n[stream]\nrows = 2\nsegment_bytes = 16\nstretch_bytes = 128\n'
    )
    environ = {"SYNAPSED_STREAM__SEGMENT_BYTES": "17", "SYNAPSED_STREAM__STRETCH_BYTES": "129"}
    config = resolve({"stream.stretch_bytes": 130}, preset=mine, environ=environ)
    assert config.seed == 1
    assert (config.stream.rows, config.stream.segment_bytes, config.stream.stretch_bytes) == (2, 17, 130)
    assert config.stream.mix == "round_robin"
    assert config.preset == str(mine)


def test_overrides_may_be_nested_or_dotted() -> None:
    nested = resolve({"stream": {"rows": 4}, "replay": {"fraction": 0}})
    assert nested == resolve({"stream.rows": 4, "replay.fraction": 0})
    assert nested.replay.fraction == 0.0


def test_a_name_with_dots_is_one_key_of_a_table_of_names(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text("one line\n")
    data = {"stream.data": [str(tmp_path / "i.csv")], "stream.mix": "weighted"}
    preset = tmp_path / "mine.toml"
    preset.write_text('[stream]\nweights = {"i.csv" = 2.0}\n')
    expected = {"i.csv": 2.0}
    assignments = (
        'stream.weights={"i.csv"=2.0}',
        'stream.weights."i.csv"=2.0',
        "stream.weights.'i.csv'=2.0",
        "stream.weights.i.csv=2.0",
    )
    for assignment in assignments:
        assert resolve({**data, **dict([parse_set(assignment)])}).stream.weights == expected, assignment
    config = resolve(data, preset=preset)
    assert config.stream.weights == expected
    assert config_from_dict(config_to_dict(config)) == config
    assert override_config(config, {"stream": {"weights": {"i.csv": 3.0}}}).stream.weights == {"i.csv": 3.0}
    variables = {"SYNAPSED_STREAM__WEIGHTS": '{"i.csv"=2.0}'}
    assert resolve(data, environ=variables).stream.weights == expected
    assert "vitals.bands.x.y: there is no such vital sign" in complaint(
        {"vitals": {"bands": {"x.y": [0, 1]}}}
    )


def test_a_name_keeps_its_equals_signs_and_underscores() -> None:
    assert parse_set('stream.weights."a=b.csv"=2.0') == ('stream.weights."a=b.csv"', 2.0)
    assert parse_set("stream.weights={'a=b'=2.0}") == ("stream.weights", {"a=b": 2.0})
    assert resolve(environ={"SYNAPSED_STREAM__WEIGHTS__A__B": "2.0"}).stream.weights == {"a__b": 2.0}


def test_the_environment_chooses_the_preset_and_ignores_what_is_no_setting() -> None:
    environ = {
        "SYNAPSED_PRESET": "tiny",
        "SYNAPSED_HOME": "/x",
        "SYNAPSED_TOKEN": "t",
        "SYNAPSED_TEST_URL": "u",
        "HOME": "h",
    }
    assert resolve(environ=environ) == resolve(preset="tiny")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"replay.capcity": 3},
            "no setting is called 'replay.capcity'; did you mean replay.capacity? (command line)",
        ),
        ({"rows": 3}, "no setting is called 'rows'; did you mean stream.rows? (command line)"),
        (
            {"brain.hiden_size": 3},
            "the brain synapse has no setting hiden_size; did you mean brain.hidden_size? (command line)",
        ),
        ({"stream.rows": "many"}, 'stream.rows = "many": a whole number is expected (command line)'),
        ({"stream.rows": True}, "stream.rows = true: a whole number is expected (command line)"),
        ({"stream.rows": 1.5}, "stream.rows = 1.5: a whole number is expected (command line)"),
        (
            {"stream.rows": 0},
            "stream.rows = 0: a number of at least 1 and at most 65536 is expected (command line)",
        ),
        (
            {"replay.fraction": 1.2},
            "replay.fraction = 1.2: a number of at least 0 and below 1 is expected (command line)",
        ),
        (
            {"limits.hours": -1.0},
            "limits.hours = -1.0: a number above 0 and at most 1e+06 is expected (command line)",
        ),
        (
            {"limits.hours": float("nan")},
            "limits.hours = NaN: a finite number above 0 and at most 1e+06 is expected (command line)",
        ),
        (
            {"growth.site_ratio": float("inf")},
            "growth.site_ratio = Infinity: a finite number of at least 1 and at most 1e+06 is expected (command line)",
        ),
        (
            {"growth.site_ratio": 1e308},
            "growth.site_ratio = 1e+308: a number of at least 1 and at most 1e+06 is expected (command line)",
        ),
        (
            {"optimizer.plasticity.perturb": float("inf")},
            "optimizer.plasticity.perturb = Infinity: a finite number of at least 0 is expected (command line)",
        ),
        (
            {"optimizer.plasticity.l2_init": float("inf")},
            "optimizer.plasticity.l2_init = Infinity: a finite number of at least 0 is expected (command line)",
        ),
        (
            {"optimizer.plasticity.l2_init": -1.0},
            "optimizer.plasticity.l2_init = -1.0 must not be negative (command line)",
        ),
        ({"growth.enabled": "yes"}, 'growth.enabled = "yes": true or false is expected (command line)'),
        (
            {"device": "gpu"},
            'device = "gpu": one of auto, cpu, cuda, mps is expected; did you mean cpu? (command line)',
        ),
        ({"brain.kind": "synaps"}, "no brain is called 'synaps'; did you mean synapse? (command line)"),
        (
            {"brain": "synapse"},
            'brain = "synapse": a table with kind is expected, such as brain.kind=synapse (command line)',
        ),
        ({"stream": 3}, "stream = 3: a table is expected (command line)"),
        ({"seed": 1, "seed.x": 2}, "seed.x cannot be set: seed is a value, not a table (command line)"),
    ],
)
def test_a_mistake_is_one_line_that_names_setting_place_and_right_thing(
    overrides: dict[str, Any], message: str
) -> None:
    assert complaint(overrides) == message


def test_a_mistake_names_the_preset_or_the_variable_it_is_in(tmp_path: Path) -> None:
    mine = tmp_path / "my.toml"
    mine.write_text("[replay]\ncapcity = 1\n")
    assert complaint(preset=mine).endswith(f"did you mean replay.capacity? (preset {mine})")
    assert complaint(environ={"SYNAPSED_STREAM__ROWS": "x"}).endswith("(environment SYNAPSED_STREAM__ROWS)")
    assert "(environment SYNAPSED_STREAM__WEIGHTS__A)" in complaint(
        environ={"SYNAPSED_STREAM__WEIGHTS__A": "x"}
    )


def test_a_preset_is_no_setting() -> None:
    assert "start with --preset tiny (command line)" in complaint(overrides={"preset": "tiny"})


def test_an_unknown_or_broken_preset_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[stream\n")
    assert complaint(preset="tinny") == "no preset is called 'tinny'; did you mean tiny?"
    assert complaint(preset="zzzz").startswith("no preset is called 'zzzz'; known: agiformer, ")
    assert complaint(preset=tmp_path / "mime.toml").endswith(f"did you mean {tmp_path / 'mine.toml'}?")
    assert "is not TOML" in complaint(preset=tmp_path / "mine.toml")


def test_data_is_made_absolute_and_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    books = tmp_path / "books"
    books.mkdir()
    assert "is empty" in complaint({"stream.data": ["books"]})
    (books / "one.txt").write_text("text")
    assert resolve({"stream.data": ["books"]}).stream.data == (str(books),)
    assert resolve({"stream.data": "books/one.txt"}).stream.data == (str(books / "one.txt"),)
    message = complaint({"stream.data": [str(tmp_path / "boks" / "one.txt")]})
    assert message.endswith(f"did you mean {books / 'one.txt'}? (command line)")
    assert "did you mean" not in complaint({"stream.data": ["/zqxj/none"]}), "the root is no help"


def test_another_kind_of_brain_drops_the_settings_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class StoneConfig:
        """Learns nothing."""

        weight: int = 7

    brains.names()
    monkeypatch.setattr(brains, "_entries", dict(brains._entries))
    brains.register("stone", builds="tests:nothing")(StoneConfig)
    assert resolve({"brain.kind": "stone"}, preset="tiny").brain == {"kind": "stone", "weight": 7}
    assert "brain.hidden_size" in complaint({"brain.kind": "stone", "brain.hidden_size": 4})


def test_a_brain_s_own_check_reads_as_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class PairConfig:
        """Wants an even size."""

        size: int = 2

        def __post_init__(self) -> None:
            if self.size % 2:
                raise ValueError(f"size must be even, not {self.size}")

    brains.names()
    monkeypatch.setattr(brains, "_entries", dict(brains._entries))
    brains.register("pair", builds="tests:nothing")(PairConfig)
    assert (
        complaint({"brain": {"kind": "pair", "size": 3}}) == "brain: size must be even, not 3 (command line)"
    )


def test_the_resolved_configuration_is_complete_json_and_comes_back_equal() -> None:
    for preset in list_presets():
        stored = json.loads(json.dumps(config_to_dict(preset.config)))
        assert config_from_dict(stored) == preset.config
        assert set(stored["brain"]) > {"kind", "hidden_size"}


def test_a_stored_configuration_without_a_newer_setting_takes_its_default() -> None:
    stored = config_to_dict(resolve())
    del stored["sample"]
    assert config_from_dict(stored) == resolve()


def test_overrides_lie_over_a_stored_configuration(tmp_path: Path) -> None:
    stored = resolve({"stream.rows": 3})
    gone = dataclasses.replace(
        stored, stream=dataclasses.replace(stored.stream, data=(str(tmp_path / "gone"),))
    )
    changed = override_config(gone, {"optimizer.learning_rate": 0.5})
    assert (changed.stream.rows, changed.optimizer.learning_rate) == (3, 0.5)
    assert changed.stream.data == gone.stream.data  # looked for by the stream, when it is opened
    with pytest.raises(ConfigError, match="did you mean"):
        override_config(gone, {"optimizer.learning_rat": 1})


@pytest.fixture
def things(tmp_path: Path) -> dict[str, Any]:
    """A classifier and its labelled table."""
    table = tmp_path / "things.csv"
    table.write_text("text,label\nplum,fruit\n")
    source = {"kind": "table", "path": str(table), "label_field": "label"}
    return {"brain.kind": "classifier", "stream.source": [source]}


def test_a_brain_that_learns_labels_needs_a_source_that_has_them(
    things: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "things.txt").write_text("plum is a fruit")
    plain = {"stream.data": [str(tmp_path / "things.txt")]}
    (source,) = things["stream.source"]
    unlabelled = {"stream.source": [{**source, "label_field": None}]}
    assert "no source has any; name a table and its fields: --set" in complaint({"brain.kind": "classifier"})
    assert "no source has any (command line); name a table" in complaint(plain, preset="classifier")
    assert "no source has any (command line)" in complaint(unlabelled, preset="classifier")
    both = {"stream.source": [source, {"kind": "files", "path": str(tmp_path)}]}
    stored = resolve(both, preset="classifier")
    assert override_config(stored, {"seed": 3}).seed == 3
    with pytest.raises(ConfigError, match="learns labels"):
        override_config(stored, unlabelled)
    assert resolve(unlabelled).brain["kind"] == "synapse"


def test_a_brain_with_a_preset_of_its_name_takes_it_unless_one_is_named(things: dict[str, Any]) -> None:
    assert resolve(things).preset == "classifier"
    assert resolve(things).stream.segment_bytes == 512
    assert resolve(things, preset="tiny").preset == "tiny"
    assert resolve(things, environ={"SYNAPSED_PRESET": "fast"}).preset == "fast"
    assert resolve({"brain.kind": "synapse"}).preset == "default"
    assert "did you mean" in complaint({"brain.kind": "defaul"}) or "known" in complaint(
        {"brain.kind": "default"}
    )


def test_an_own_preset_lies_on_the_shipped_one_of_its_brain(things: dict[str, Any], tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('[brain]\nkind = "classifier"\n[stream]\nrows = 7\n[replay]\nfraction = 0.25\n')
    config = resolve({"stream.source": things["stream.source"]}, preset=mine)
    assert (config.stream.rows, config.replay.fraction, config.stream.segment_bytes) == (7, 0.25, 512)
    assert config.preset == str(mine)
    assert resolve({"brain.kind": "synapse"}, preset=mine).stream.segment_bytes != 512


def test_presets_are_listed_with_a_summary_and_the_classic_ones_end_by_themselves() -> None:
    presets = {preset.name: preset for preset in list_presets()}
    assert {"default", "quality", "tiny", "fast", "full"} <= set(presets)
    assert all(preset.summary for preset in presets.values())
    assert (presets["fast"].config.stream.samples_per_pass, presets["fast"].config.limits.epochs) == (
        10_000,
        10,
    )
    assert (presets["full"].config.stream.samples_per_pass, presets["full"].config.limits.epochs) == (
        10_000_000,
        200,
    )
    assert presets["default"].config.limits.hours is None


def test_brains_are_listed_with_the_schema_of_their_settings() -> None:
    synapse = next(brain for brain in list_brains() if brain["kind"] == "synapse")
    assert synapse["summary"].startswith("Byte-level")
    assert synapse["settings"]["properties"]["hidden_size"]["default"] > 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("true", True),
        ("cpu", "cpu"),
        ('"3"', "3"),
        ('["a", "b"]', ["a", "b"]),
        ("", ""),
        ("/a b", "/a b"),
    ],
)
def test_set_reads_toml_values_and_bare_words(text: str, value: object) -> None:
    assert parse_set(f"a.b = {text}") == ("a.b", value)


@pytest.mark.parametrize("text", ["rows", "=3", ""])
def test_set_wants_a_key_and_a_value(text: str) -> None:
    with pytest.raises(ConfigError, match="key=value"):
        parse_set(text)


@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_is_set_ends_in_a_config_or_a_config_error(key: str, value: str) -> None:
    with suppress(ConfigError):
        name, parsed = parse_set(f"{key}={value}")
        resolve({name: parsed})


@given(
    st.sampled_from(setting_names(DEFAULT_BRAIN)),
    st.one_of(st.integers(-5, 5), st.floats(), st.booleans(), st.none(), st.text(max_size=5)),
)
def test_whatever_a_setting_is_given_ends_in_a_config_or_a_config_error(name: str, value: object) -> None:
    with suppress(ConfigError):
        config = resolve({name: value})
        assert config_from_dict(config_to_dict(config)) == config


def test_a_sleep_is_no_longer_than_one_by_hand_may_be() -> None:
    assert resolve({"sleep.steps": 10_000}).sleep.steps == 10_000
    with pytest.raises(ConfigError, match=r"sleep\.steps = 100000000: at most 10000 is expected"):
        resolve({"sleep.steps": 100_000_000})


def test_every_number_of_the_core_configuration_has_a_range() -> None:
    def numbers(settings: dict[str, Any], prefix: str = "") -> list[str]:
        names = []
        for key, value in settings.items():
            if isinstance(value, dict) and key != "brain":
                names += numbers(value, f"{prefix}{key}.")
            elif isinstance(value, int | float) and not isinstance(value, bool):
                names.append(prefix + key)
        return names

    named = numbers(config_to_dict(resolve()))
    assert [name for name in named if range_of(name) is None] == [VERSION]  # no setting
    brains = [
        name for name in setting_names(DEFAULT_BRAIN) if name.startswith("brain.") and name != "brain.kind"
    ]
    for name in [*named, *brains]:
        allowed = range_of(name)
        assert allowed is None or not {1e20, 10**20, 1e308} & {
            x for x in (1e20, 10**20, 1e308) if x in allowed
        }, name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"seed": 10**20},
            "seed = 100000000000000000000: a number at most 9,007,199,254,740,991",
        ),
        ({"seed": 1e20}, "seed = 1e+20: a whole number is expected"),
        ({"brain.hidden_size": 10**9}, "at most 65536 is expected"),
        ({"stream.rows": 10**9}, "at most 65536 is expected"),
        ({"checkpoint.every_seconds": 1e300}, "at most 1,000,000,000 is expected"),
        ({"a." * 100_000 + "b": 1}, "no setting is called 'a.a."),
        (deep_table(900), "at most 16 deep"),
        ({"stream.data": deep_list(900)}, "nested too deep"),
        (
            {"brain.hippocampus_mib": 19},
            "brain.hippocampus_mib = 19: a number of 0, or of at least 20 and at most 65536 is expected",
        ),
        ({"stream.data": ["\ud800"]}, "stream.data is not valid Unicode text"),
    ],
)
def test_what_would_end_a_trainer_is_refused_at_the_edge(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        resolve(settings)


@pytest.mark.parametrize(("stored", "today"), [(0, 0), (5, 20), (19, 20), (20, 20), (128, 128)])
def test_an_exact_memory_stored_smaller_than_the_least_is_what_it_was_taken_for(
    stored: int, today: int
) -> None:
    settings = {**config_to_dict(resolve()), VERSION: 2}
    settings["brain"]["hippocampus_mib"] = stored
    assert config_from_dict(settings).brain["hippocampus_mib"] == today
    assert resolve({"brain.hippocampus_mib": today}).brain["hippocampus_mib"] == today


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"stream.data": ["fine", "\ud800"]}, "stream.data"),
        ({"stream": {"data": "\udfff"}}, "stream.data"),
        ({"brain": {"hidden_size": "\ud800"}}, "brain.hidden_size"),
        ({"\ud800": 1}, "\\ud800"),
        ({"stream": {"\ud800": {"rows": 1}}}, "stream.\\ud800"),
    ],
)
def test_text_that_is_no_unicode_is_named_by_its_setting(settings: dict[str, Any], path: str) -> None:
    with pytest.raises(ConfigError, match="is not valid Unicode text") as refused:
        resolve(settings)
    assert refused.value.path == path
    assert path in str(refused.value)


def test_an_empty_folder_may_fill_only_when_it_is_followed(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    data = {"stream.data": [str(tmp_path / "spool")]}
    assert "is empty; there is nothing to learn from" in complaint(data)
    assert resolve({**data, "stream.at_end": "wait"}).stream.data == (str(tmp_path / "spool"),)


def test_data_given_at_a_resume_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text").write_text("text")
    (tmp_path / "link").symlink_to("text")
    monkeypatch.chdir(tmp_path)
    config = override_config(resolve(), {"stream.data": ["link"]})
    assert config.stream.data == (str(tmp_path / "link"),)  # a link stays one
    (tmp_path / "link").unlink()
    assert override_config(config, {"seed": 3}).stream.data == config.stream.data


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"brain.layers": 3},
            "the brain classifier has no setting layers; brain.layers is a setting of synapse",
        ),
        (
            {"brain.hiden_size": 3},
            "the brain classifier has no setting hiden_size; did you mean brain.hidden_size?",
        ),
        ({"growth.enabled": True}, "brain classifier cannot grow: leave out --neurogenesis (growth.enabled)"),
    ],
)
def test_a_setting_of_another_kind_of_brain_is_refused_as_such(
    settings: dict[str, Any], message: str
) -> None:
    assert message in complaint({"brain.kind": "classifier", **settings})


def test_no_hint_names_a_setting_of_a_brain_that_was_not_chosen() -> None:
    every = {name for entry in brains for name in setting_names(entry.name)} - set(setting_names())
    for chosen in brains:
        foreign = every - set(setting_names(chosen.name))
        for name in sorted(foreign)[::3]:
            hint = complaint({"brain.kind": chosen.name, f"{name}x": 1}).partition("did you mean ")[2]
            assert hint.partition("?")[0] not in foreign


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"stream.data": ""}, "stream.data"),
        ({"stream.data": ["", "x"]}, "stream.data"),
        ({"stream.source": [{"path": ""}]}, "stream.source.0.path"),
    ],
)
def test_an_empty_path_is_not_the_current_folder(settings: dict[str, Any], name: str) -> None:
    assert complaint(settings) == f'{name} = "": the path is empty (command line)'
    with pytest.raises(ConfigError, match="the path is empty"):
        override_config(resolve(), settings)


def test_a_list_or_table_that_does_not_parse_is_no_text() -> None:
    with pytest.raises(ConfigError, match=r"^--set stream\.source: the value is not valid TOML: "):
        parse_set('stream.source=[{kind="table", path="a.csv"}')
    with pytest.raises(ConfigError, match=r"^--set vitals\.bands: the value is not valid TOML: "):
        parse_set("vitals.bands={phi=[0.1, 0.2]")
    assert "(environment SYNAPSED_STREAM__DATA)" in complaint(environ={"SYNAPSED_STREAM__DATA": '["a'})
    assert parse_set("stream.data=a[1].txt") == ("stream.data", "a[1].txt")


def test_a_table_that_lacks_its_path_names_where_it_was_set() -> None:
    for source in ({"kind": "table"}, [{"kind": "table"}]):
        assert complaint({"stream.source": source}) == "stream.source.0.path is missing (command line)"
