"""Which servers may be called and with which key: said outside of workflows, exactly."""

import pytest

from emofeedback.errors import ConfigError
from emofeedback.lvlm.server.allowed import allowed_address
from emofeedback.lvlm.server.keys import api_key, without_key

KEY = "sk-secret-123"
USUAL = ["http://127.0.0.1:8000/v1", "http://localhost:11434", "http://[::1]:1234/v1/"]
REFUSED = [
    "http://127.0.0.1:22/v1",
    "http://127.0.0.1",
    "http://169.254.169.254/v1",
    "https://example.org/v1",
    "http://127.0.0.1.example.org:8000/v1",
    "http://2130706433:8000/v1",
    "http://0.0.0.0:8000/v1",
    "http://192.168.1.1:8000/v1",
]
BAD = ["ftp://127.0.0.1:8000", "file:///etc/passwd", "127.0.0.1:8000", "http://:8000", "",
       "http://127.0.0.1:99999/v1", "http://127.0.0.1:8000/v1?x=1", "http://x:1/#y"]  # fmt: skip


def test_only_this_computers_usual_ports_may_be_called_by_default():
    for url in USUAL:
        assert allowed_address(url, {}).is_loopback
        assert api_key(allowed_address(url, {}), {}) == "none"
    assert allowed_address("http://localhost:11434", {}).url == "http://localhost:11434/v1"
    for url in REFUSED:
        with pytest.raises(ConfigError, match=r"may not be called.*EMOFEEDBACK_ALLOWED_SERVERS="):
            allowed_address(url, {})
    for url in BAD:
        with pytest.raises(ConfigError, match="URL is"):
            allowed_address(url, {})


def test_the_list_outside_of_workflows_allows_exact_hosts_and_ports():
    listed = {"EMOFEEDBACK_ALLOWED_SERVERS": "gpu-box:8000, example.org:443,[fe80::1]:80"}
    assert allowed_address("https://example.org/v1", listed).port == 443
    assert str(allowed_address("http://GPU-box:8000", listed)) == "gpu-box:8000"
    assert allowed_address("http://[fe80::1]/v1", listed).url == "http://[fe80::1]:80/v1"
    for url in ("http://gpu-box:8001", "http://example.org/v1", "http://a.example.org:443"):
        with pytest.raises(ConfigError, match="may not be called"):
            allowed_address(url, listed)
    for entry in ("gpu-box", "http://x/v1", "ftp://gpu-box:1", "http://me@x:1", "http://x:1?a"):
        with pytest.raises(ConfigError, match=r"which is not host:port"):
            allowed_address("http://x:1", {"EMOFEEDBACK_ALLOWED_SERVERS": entry})


def test_an_entry_may_hold_a_scheme_and_a_query():
    listed = {"EMOFEEDBACK_ALLOWED_SERVERS": "https://x.org:8443?api-version=2&a=b, y.org:443"}
    address = allowed_address("https://x.org:8443/openai", listed)
    assert address.query == (("api-version", "2"), ("a", "b"))
    assert address.url == "https://x.org:8443/openai"
    for url in ("http://x.org:8443", "http://y.org:443"):  # never in clear text
        with pytest.raises(ConfigError, match="may not be called"):
            allowed_address(url, listed)
    with pytest.raises(ConfigError, match="URL is .* with a query. Name the query in EMOFEEDBACK"):
        allowed_address("https://x.org:8443/v1?api-version=3", listed)


def keys(allowed: str, key: str = "", file: str = "") -> dict[str, str]:
    return {
        "EMOFEEDBACK_ALLOWED_SERVERS": allowed,
        "EMOFEEDBACK_API_KEY": key,
        "EMOFEEDBACK_KEY_FILE": file,
    }


def key_for(url: str, environment: dict[str, str]) -> str:
    return api_key(allowed_address(url, environment), environment)


def test_keys_come_from_outside_of_workflows_only():
    with pytest.raises(ConfigError, match=r"no key for x.org:443.*EMOFEEDBACK_API_KEY"):
        key_for("https://x.org/v1", keys("x.org:443"))
    assert key_for("https://x.org/v1", keys("x.org:443", KEY)) == KEY
    assert key_for("https://x.org/v1", keys("x.org:443", "none")) == "none"
    with pytest.raises(ConfigError, match="user name or password") as caught:
        allowed_address(f"http://me:{KEY}@127.0.0.1:8000/v1", {})
    assert KEY not in str(caught.value)


def test_a_key_goes_to_its_own_server_only(tmp_path):
    two = "https://x.org:443, y.org:443, http://z:8000"
    named = keys(two, f"x.org:443={KEY},y.org:443=other")
    assert key_for("https://x.org", named) == KEY and key_for("https://y.org", named) == "other"
    assert key_for("http://127.0.0.1:8000", named) == "none"
    with pytest.raises(ConfigError, match="no key for z:8000"):
        key_for("http://z:8000", named)
    with pytest.raises(ConfigError, match="one key for 3 servers.*Write x.org:443=KEY") as caught:
        key_for("https://x.org", keys(two, KEY))
    assert KEY not in str(caught.value)
    assert key_for("http://127.0.0.1:8000", keys(two, KEY)) == "none"
    assert key_for("http://127.0.0.1:8000", keys("x.org:443", KEY)) == "none"
    assert key_for("http://127.0.0.1:8000", keys("", KEY)) == KEY
    file = tmp_path / "keys"
    file.write_text(f"# mine\nx.org:443 = {KEY}\n\n[::1]:8000 local\n")
    filed = keys(two, "", str(file))
    assert key_for("https://x.org", filed) == KEY and key_for("http://[::1]:8000", filed) == "local"
    with pytest.raises(ConfigError, match="no key for y.org:443"):
        key_for("https://y.org", filed)
    file.write_text(f"x.org {KEY}")
    with pytest.raises(ConfigError, match="Line 1 of the key file") as caught:
        key_for("https://x.org", filed)
    assert KEY not in str(caught.value)
    with pytest.raises(ConfigError, match="EMOFEEDBACK_KEY_FILE names .*cannot be read"):
        key_for("https://x.org", keys(two, "", str(tmp_path)))


def test_a_key_never_travels_in_clear_text_and_fits_a_header():
    with pytest.raises(ConfigError, match="z:8000 would travel in clear text") as caught:
        key_for("http://z:8000", keys("z:8000", KEY))
    assert KEY not in str(caught.value)
    assert key_for("http://z:8000", keys("z:8000", "none")) == "none"
    for key in ("sk 1", "sk-\u00e9", "a\nb"):
        with pytest.raises(ConfigError, match="other signs that no key has") as caught:
            key_for("https://x.org", keys("x.org:443", key))
        assert key not in str(caught.value)


def test_a_text_in_which_the_key_stands_does_not_show_it():
    assert without_key(f"wrong {KEY}!", KEY) == "wrong (key)!"
    assert without_key("none of it", "none") == "none of it"
