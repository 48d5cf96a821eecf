"""Everything here tries to make us call an address that we must not call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbound.guard import Forbidden, Policy, is_public, read_entry, read_url

PRODUCTION = Policy(sandbox=False)
SANDBOX = Policy(sandbox=True, allowed=("127.0.0.1",))


def judge(policy: Policy, url: str, *addresses: str) -> str:
    target = read_url(url)
    return str(policy.judge(target, addresses or [target.host]))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "10.0.0.5",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.1",
        "192.0.2.7",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
        "2001:0:7f00:1::",
    ],
)
def test_an_address_that_is_not_public_is_refused_however_it_is_dressed(address: str) -> None:
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(Forbidden):
        judge(PRODUCTION, f"https://{literal}/latest/meta-data")
    with pytest.raises(Forbidden):
        judge(PRODUCTION, "https://innocent.example.com/", address)


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_a_public_address_is_called(address: str) -> None:
    assert judge(PRODUCTION, "https://issuer.example.com/.well-known/did.json", address)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.1",
        "127.0.1",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "1.2.3.4.5",
        "0x",
        "10.0.0.0x1",
    ],
)
def test_a_number_that_some_parsers_take_for_an_address_is_refused(host: str) -> None:
    with pytest.raises(Forbidden):
        read_url(f"https://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "https://good.example.com@10.0.0.1/",
        "https://10.0.0.1:x@good.example.com/",
        "https://user:password@good.example.com/",
        "https://good.example.com:0/",
        "https://good.example.com:99999/",
        "https://good.example.com\\@10.0.0.1/",
        "https://good.example.com\t.evil.example/",
        "https://good.example.com/\r\nHost: evil",
        "https://good.example.com/ HTTP/1.1",
        "https:// good.example.com/",
        "https://ｌocalhost/",
        "https://①②⑦.⓪.⓪.①/",
        "https:///nohost",
        "https:good.example.com",
        "//good.example.com/",
        "good.example.com",
        "ftp://good.example.com/",
        "file:///etc/passwd",
        "gopher://good.example.com/",
        "data:text/plain,hello",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://a..example.com/",
        "https://-a.example.com/",
        "https://" + "a" * 64 + ".example.com/",
        "https://good.example.com/" + "a" * 20_000,
        "",
    ],
)
def test_a_url_that_two_parsers_could_read_apart_is_refused(url: str) -> None:
    with pytest.raises(Forbidden):
        read_url(url)


def test_a_name_with_one_internal_address_among_public_ones_is_refused() -> None:
    with pytest.raises(Forbidden):
        judge(PRODUCTION, "https://rebind.example.com/", "93.184.216.34", "10.0.0.1")


def test_http_is_refused_in_production_even_for_a_listed_host() -> None:
    policy = Policy(sandbox=False, allowed=("utility.internal", "10.1.2.0/24"))
    with pytest.raises(Forbidden, match="https"):
        judge(policy, "http://utility.internal/api", "10.1.2.3")
    assert judge(policy, "https://utility.internal/api", "10.1.2.3") == "10.1.2.3"


def test_http_is_taken_in_the_sandbox_for_loopback_only() -> None:
    assert judge(SANDBOX, "http://127.0.0.1:8001/") == "127.0.0.1"
    with pytest.raises(Forbidden):
        judge(SANDBOX, "http://example.com/", "93.184.216.34")


def test_loopback_is_refused_in_production_unless_the_operator_lists_it() -> None:
    with pytest.raises(Forbidden):
        judge(PRODUCTION, "https://localhost/", "127.0.0.1")
    assert judge(Policy(False, ("127.0.0.1:9443",)), "https://localhost:9443/", "127.0.0.1")


@pytest.mark.parametrize(
    ("entry", "url", "address", "is_allowed"),
    [
        ("utility.internal", "https://utility.internal/", "10.0.0.9", True),
        ("utility.internal", "https://other.internal/", "10.0.0.9", False),
        ("utility.internal", "https://sub.utility.internal/", "10.0.0.9", False),
        ("utility.internal:8443", "https://utility.internal:8443/", "10.0.0.9", True),
        ("utility.internal:8443", "https://utility.internal/", "10.0.0.9", False),
        ("10.0.0.0/28", "https://any.example.com/", "10.0.0.9", True),
        ("10.0.0.0/28", "https://any.example.com/", "10.0.0.99", False),
        ("10.0.0.9:8443", "https://any.example.com:8443/", "10.0.0.9", True),
        ("10.0.0.9:8443", "https://any.example.com:8444/", "10.0.0.9", False),
        ("fd00::/8", "https://[fd00::1]/", "fd00::1", True),
        ("[fd00::1]:8443", "https://[fd00::1]:8443/", "fd00::1", True),
        ("http://adapter:8081", "http://adapter:8081/bpp", "172.18.0.4", True),
        ("http://adapter:8081", "http://adapter:8082/bpp", "172.18.0.4", False),
    ],
)
def test_the_operators_list_opens_exactly_what_it_names(entry: str, url: str, address: str, is_allowed: bool) -> None:
    policy = Policy(False, (entry,))
    if is_allowed:
        assert judge(policy, url, address) == address
    else:
        with pytest.raises(Forbidden):
            judge(policy, url, address)


@pytest.mark.parametrize("entry", ["", "https://", "a b", "user@host", "host/path"])
def test_a_line_of_the_operators_list_that_is_no_host_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="ALLOWED_OUTBOUND"):
        read_entry(entry)


@given(st.ip_addresses())
def test_no_address_that_python_calls_private_is_ever_public(address) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_inside_ipv6(address) -> None:
    import ipaddress

    assert is_public(ipaddress.ip_address(f"::ffff:{address}")) == is_public(address)
    assert not is_public(ipaddress.ip_address(f"64:ff9b::{address}"))


@given(st.text(max_size=60))
def test_any_text_is_either_read_or_forbidden(text: str) -> None:
    for url in (text, f"https://{text}", f"https://example.com/{text}"):
        try:
            target = read_url(url)
        except Forbidden:
            continue
        assert target.host and "@" not in target.host and target.path.startswith("/")
