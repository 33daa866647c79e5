"""`framewire run` with each thing in the way that keeps people from connecting."""

import pytest
from situations import SITUATIONS

# Where a session comes about all the same.
WORKING = {"healthy", "udp_blocked_with_turn_tcp", "stun_dead", "only_ipv6", "rtt_300_ms", "loss_20_percent"}
NOT_CONNECTED = 3


@pytest.mark.parametrize("command", ["run"])
@pytest.mark.parametrize("name", [name for name in SITUATIONS if name in WORKING])
def test_a_run_works_in_spite_of_it(outcomes, command, name):
    ran = outcomes[command, name].result()
    assert ran.status == 0, ran.stderr


@pytest.mark.parametrize("command", ["run"])
@pytest.mark.parametrize("name", [name for name in SITUATIONS if name not in WORKING | {"mtu_black_hole"}])
def test_a_run_that_cannot_connect_says_so_in_its_last_line(outcomes, command, name):
    ran = outcomes[command, name].result()
    assert ran.status == NOT_CONNECTED, ran.stderr
    assert ran.last_line.startswith("framewire: ")
