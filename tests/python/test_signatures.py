"""The package has every name of the original's public interface, with the same arguments, defaults and bases.

Not here: what they do. signatures.json is written by record_signatures.py.
"""

import json
import pathlib

import pytest
import record_signatures

ORIGINAL = json.loads((pathlib.Path(__file__).parent / "signatures.json").read_text())
# What is meant to differ; docs/python.md gives the reasons.
DIFFERENT_VALUES = {
    "config:ALLOW_URL_TO_NON_GLOBAL_ADDRESSES": False,
    "config:VALIDATE_IMAGE_URL_REDIRECTS": True,
}


@pytest.fixture(scope="module")
def ours():
    return json.loads(json.dumps(record_signatures.record("framewire")))


@pytest.mark.parametrize("name", sorted(ORIGINAL))
def test_every_public_name_of_the_original_is_here_unchanged(name, ours):
    theirs = ORIGINAL[name]
    if name in DIFFERENT_VALUES:
        theirs = {**theirs, "value": DIFFERENT_VALUES[name]}
    compare(theirs, ours[name])


def compare(theirs, ours):
    assert ours["kind"] == theirs["kind"]
    if theirs["kind"] == "function":
        compare_call(theirs, ours)
        return
    if theirs["kind"] != "class":
        assert ours == theirs
        return
    assert set(theirs["bases"]) <= set(ours["bases"])
    assert ours.get("enum") == theirs.get("enum")
    assert ours.get("frozen") == theirs.get("frozen")
    assert list(ours.get("fields", {}).items()) == list(theirs.get("fields", {}).items())
    for member, expected in theirs.get("members", {}).items():
        assert member in ours["members"], member
        found = ours["members"][member]
        if "parameters" in expected:
            assert found["binding"] == expected["binding"], member
            compare_call(expected, found)
        else:
            assert found == expected, member


def compare_call(theirs, ours):
    assert ours["async"] == theirs["async"]
    known = len(theirs["parameters"])
    assert ours["parameters"][:known] == theirs["parameters"]
    for extra in ours["parameters"][known:]:
        assert "default" in extra, f"{extra['name']} would break existing calls"


def test_the_list_covers_both_documented_modules_and_their_companions():
    modules = {name.split(":")[0] for name in ORIGINAL}
    assert modules == {
        "", "config", "http.client", "http.entities", "http.errors",
        "webrtc", "webrtc.client", "webrtc.config", "webrtc.datachannel", "webrtc.session", "webrtc.sources",
    }  # fmt: skip
    assert len(ORIGINAL) >= 70
