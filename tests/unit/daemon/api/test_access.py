from __future__ import annotations

import pytest

from daemon.api.access import CODE_LIFE_SECONDS, MAX_CODES, Access


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("authorization", "admitted"),
    [
        ("Bearer secret", True),
        ("bearer secret", True),
        ("Bearer  secret ", True),
        ("Basic secret", False),
        ("secret", False),
        ("Bearer ", False),
        ("Bearer secre", False),
        ("Bearer \udcff", False),
    ],
)
def test_bearer(authorization: str, admitted: bool) -> None:
    assert Access("secret", port=1).admits(authorization=authorization, cookies=None) is admitted


def test_a_wrong_header_is_not_healed_by_a_cookie() -> None:
    access = Access("secret", port=1)
    cookie = access.set_cookie().partition(";")[0]
    assert access.admits(authorization=None, cookies=cookie)
    assert not access.admits(authorization="Bearer wrong", cookies=cookie)


def test_a_cookie_holds_over_a_restart_but_for_this_port_and_token_only() -> None:
    cookie = Access("secret", port=1).set_cookie().partition(";")[0]
    assert Access("secret", port=1).has_cookie(f"other=1; {cookie}")
    assert not Access("secret", port=2).has_cookie(cookie)
    assert not Access("changed", port=1).has_cookie(cookie)
    assert not Access("secret", port=1).has_cookie("synapsed-1=secret")
    assert not Access("secret", port=1).has_cookie("synapsed-1")
    assert "secret" not in cookie


def test_a_code_is_good_once_and_for_minutes() -> None:
    time = Time()
    access = Access("secret", port=1, monotonic=time)
    code, late = access.issue_code(), access.issue_code()
    assert access.redeem_code(code)
    assert not access.redeem_code(code)
    assert not access.redeem_code("guess")
    assert CODE_LIFE_SECONDS <= 900
    time.now += CODE_LIFE_SECONDS + 1
    assert not access.redeem_code(late)


def test_codes_do_not_pile_up() -> None:
    access = Access("secret", port=1)
    first, *_, last = [access.issue_code() for _ in range(MAX_CODES + 1)]
    assert not access.redeem_code(first)
    assert access.redeem_code(last)


def test_a_cookie_for_a_proxy_is_secure_and_stays_below_its_path() -> None:
    attributes = Access("secret", port=1).set_cookie(path="/brain/", secure=True).split("; ")
    assert {"Path=/brain/", "Secure", "HttpOnly", "SameSite=Strict"} <= set(attributes)
    assert "Secure" not in Access("secret", port=1).set_cookie()
