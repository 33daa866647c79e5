"""`framewire doctor` and `framewire run` with each thing in the way that keeps people from connecting: both say what it is."""

import re
from dataclasses import dataclass

import pytest
from program import PROMISE
from situations import BROKEN, WORKING

NOT_CONNECTED, STREAM_FAILED = 3, 1


@dataclass
class Trouble:
    """What doctor finds: the decisive step and its cause, and further steps that fail beside it, each with its cause."""

    step: str
    cause: str
    others: tuple = ()
    run: int = NOT_CONNECTED

    def failed(self):
        return [(self.step, self.cause), *self.others]


TROUBLE = {
    "name_not_found": Trouble("address", "name_not_found"),
    "port_closed": Trouble("http", "port_closed"),
    "port_silent": Trouble("http", "port_silent"),
    "port_filtered": Trouble("http", "port_silent"),
    "http_401": Trouble("api_key", "key_missing"),
    "http_401_with_key": Trouble("api_key", "key_rejected"),
    "http_404": Trouble("worker", "route_missing"),
    "http_502": Trouble("worker", "bad_gateway"),
    "wrong_content_type": Trouble("worker", "wrong_content_type"),
    "tls_name_mismatch": Trouble("http", "tls_name_mismatch"),
    "tls_unknown_issuer": Trouble("http", "tls_unknown_issuer"),
    "udp_blocked": Trouble("ice", "udp_blocked", [("stun", "stun_silent")]),
    "turn_wrong_password": Trouble("candidates", "no_relay", [("turn_udp", "turn_credentials")]),
    "turn_quota": Trouble("candidates", "no_relay", [("turn_udp", "turn_quota")]),
    "candidates_unreachable": Trouble("ice", "candidates_unreachable"),
    "other_family": Trouble("ice", "family_mismatch"),
    "media_port_closed": Trouble("ice", "ice_refused"),
    "dtls_blocked": Trouble("dtls", "dtls_blocked"),
    "data_channel_blocked": Trouble("data_channel", "data_channel_blocked"),
    "video_blocked": Trouble("video", "no_video", run=STREAM_FAILED),
    "worker_stalled": Trouble("ice", "worker_stalled"),
}
# What doctor finds where a session works nonetheless.
FINDINGS = {
    "stun_dead": {("stun", "stun_silent")},
    "mtu_black_hole": {("throughput_up", "mtu_black_hole")},
    "rtt_300_ms": {("data_channel", "slow_path")},
    "loss_20_percent": {("throughput_up", "lossy_path")},
}
# What a busy machine may add to them.
QUALITY = {"slow_path", "lossy_path"}


def test_every_situation_is_judged():
    assert TROUBLE.keys() == BROKEN.keys() and FINDINGS.keys() <= WORKING.keys()


@pytest.mark.parametrize("name", TROUBLE)
def test_doctor_names_the_step_and_the_cause(outcomes, name):
    ended, report = outcomes["doctor", name].result()
    assert failures(report) == sorted(TROUBLE[name].failed()), report
    assert ended.status == NOT_CONNECTED and report["ok"] is False
    decisive = step(report, TROUBLE[name].step)
    assert decisive["problem"] in ended.last_line and decisive["try"] in ended.last_line
    assert report["seconds"] <= PROMISE


@pytest.mark.parametrize("name", WORKING)
def test_doctor_says_that_a_session_would_work(outcomes, name):
    ended, report = outcomes["doctor", name].result()
    found, expected = {*failures(report)}, FINDINGS.get(name, set())
    assert expected <= found and {cause for _, cause in found - expected} <= QUALITY, report
    assert ended.status == 0 and report["ok"] is True
    assert report["seconds"] <= PROMISE


@pytest.mark.parametrize("name", TROUBLE)
def test_a_run_that_fails_says_what_doctor_says(outcomes, name):
    ran = outcomes["run", name].result()
    assert ran.status == TROUBLE[name].run, ran.stderr
    _, report = outcomes["doctor", name].result()
    problem = step(report, TROUBLE[name].step)["problem"]
    assert plain(problem) in plain(ran.last_line)


@pytest.mark.parametrize("name", WORKING)
def test_a_run_works_in_spite_of_it(outcomes, name):
    ran = outcomes["run", name].result()
    assert ran.status == 0, ran.stderr


def failures(report):
    return sorted((each["step"], each["cause"]) for each in report["steps"] if each["status"] == "failed")


def step(report, name):
    return next(each for each in report["steps"] if each["step"] == name)


def plain(text):
    """Without its numbers: ports, counts and times differ from one process to the next."""
    return re.sub(r"\d+(\.\d+)?", "#", text)
