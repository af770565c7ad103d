"""Hypothesis strategies for text: mostly well-formed, with unusual parts."""

from hypothesis import strategies as st

# Characters that change length or collide when they are case-folded, normalized or encoded as ASCII.
ODD_CHARACTERS = (
    "\u00df\u017f\u0131\u0130\u01c5\u212a\u212b\u2126\u03c2\u03c3\u0301\u0308\u0345\u1fb3\ufb01\u2460"  # sharp s ...
    "\uff0e\u3002\uff61\uff20"  # dots and an at sign of other widths
    "\u00ad\u200b\u200d\u2028\u202e\u0085\x00\x1f\x7f\xa0\ud800\udfff\U0010ffff"  # invisible characters
)
PLAIN_CHARACTERS = "abcxyzABCXYZ0189._+-'!#/=~"

letters = st.one_of(
    st.sampled_from(PLAIN_CHARACTERS), st.sampled_from(PLAIN_CHARACTERS + ODD_CHARACTERS), st.characters()
)
_locals = st.one_of(st.text(letters, max_size=70), st.text(st.sampled_from(PLAIN_CHARACTERS), min_size=1, max_size=20))
_labels = st.one_of(
    st.sampled_from(
        ["example", "com", "xn--bcher-kva", "bücher", "xn--", "xn--a", "EXAMPLE", "faß", "1", "[1", "localhost"]
    ),
    st.text(letters, max_size=64),
)
_domains = st.one_of(
    st.sampled_from(["example.com", "bücher.example", "xn--bcher-kva.example", "[192.0.2.1]", "faß.example"]),
    st.builds(
        lambda labels, dot: dot.join(labels),
        st.lists(_labels, min_size=1, max_size=5),
        st.sampled_from(".\u3002\uff0e"),
    ),
)
EMAIL_ADDRESSES = st.one_of(
    st.builds(lambda local, at, domain: local + at + domain, _locals, st.sampled_from("@@@@\uff20 "), _domains),
    st.emails(),
    st.text(),
)

_ips = st.one_of(st.ip_addresses().map(str), st.sampled_from(["10.0.0.1", "fd00::1", "127.0.0.1", "::ffff:10.0.0.2"]))
FORWARDED_HOPS = st.one_of(
    st.builds(
        str.format, st.sampled_from(["{}", " {} ", "{}:443", "[{}]", "[{}]:443", "{}%eth0", "for={}", '"{}"']), _ips
    ),
    st.text("0123456789abcdefx.:[]%/ ,"),
    st.text(),
)

_agent_parts = st.one_of(
    st.sampled_from(
        [
            *("Mozilla/5.0", "(X11;", "(Windows NT 10.0; Win64; x64)", "AppleWebKit/537.36", "(KHTML, like Gecko)"),
            *("Chrome/120.0", "Safari/537.36", "Firefox/121.0", "Edg/120", "Android 14;", "(iPhone; CPU OS 17_2)"),
            *("curl/8.0", "Opera Mini", "bot", "CFNetwork", "Darwin", ";;;;", "(((", ")))"),
        ]
    ),
    st.text(max_size=20),
    st.builds(
        lambda text, times: text * times,
        st.sampled_from(["a", " ", ";", "(", "/1.", "www.", "://"]),
        st.integers(1, 255),
    ),
)
USER_AGENTS = st.one_of(st.lists(_agent_parts).map(" ".join), st.text())
# Header values as a server delivers them: latin-1 without line ends.
HEADER_VALUES = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\x00"), max_size=300)
