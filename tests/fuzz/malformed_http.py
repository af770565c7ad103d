"""Malformed parts of HTTP requests: first bytes, targets, methods, lengths, encodings, chunks, headers."""

TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(193))
HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PREFACES = (
    *(
        TLS_HELLO,
        HTTP_2,
        HTTP_2 + b"\0\0\0\4\0\0\0\0\0",
        HTTP_2 + b"\xff" * 40,
        b"GET /hello\r\n",
        b"\r\n" * 50,
        b"\0" * 64,
    ),
    *(
        b"GET /hello HTTP/0.9\r\n\r\n",
        b"GET /hello HTTP/3.0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"\xef\xbb\xbfGET / HTTP/1.1\r\n\r\n",
    ),
)
TARGETS = (
    *(
        b"/hello",
        b"/",
        b"",
        b"*",
        b"?x=1",
        b"hello",
        b"http://evil.example",
        b"http://evil.example/hello",
        b"//evil.example/hello",
    ),
    *(
        b"evil.example:443",
        b"/%00",
        b"/%",
        b"/%zz",
        b"/\xff\xfe",
        b"/hello\0",
        b"/a b",
        b"/hello#x",
        b"/hello?%00=\xff",
        b"/../../etc",
    ),
    *(
        b"/" + b"a" * 9000,
        b"/" + b"%41" * 30_000,
        b"/hello?" + b"a=1&" * 20_000,
        b"/auth/sessions/" + b"9" * 400,
        b"/docs/..%2f",
    ),
)
METHODS = (
    b"GET",
    b"HEAD",
    b"POST",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"QUERY",
    b"get",
    b"G\0T",
    b"",
    b"A" * 300,
)
LENGTHS = (b"0", b"-1", b"+5", b"0x5", b" 5", b"5,5", b"5, 6", b"9" * 30, b"65537", b"1e3", b"", b"\xb2", b"5\0")
CODINGS = (
    b"chunked",
    b"identity",
    b"gzip, chunked",
    b"chunked, gzip",
    b"chunked, chunked",
    b"\x0bchunked",
    b"xchunked",
    b"Chunked",
)
CHUNK_SIZES = (
    b"5",
    b"05",
    b"ffffffffffffffff",
    b"fffffffffffffffff",
    b"-1",
    b"0x5",
    b"5;a=b",
    b"5 ;" + b"a" * 9000,
    b"",
    b"g",
    b"5\n",
)
HEADERS = (
    *(
        b"Expect: 100-continue",
        b"Expect: x",
        b"Upgrade: h2c",
        b"Upgrade: websocket",
        b"Connection: close",
        b"Connection: keep-alive",
    ),
    *(
        b"Host: a, b",
        b"Host: \xff",
        b"Host:",
        b"X-Request-ID: \xff\x1b[31m",
        b"X-Forwarded-For: \0",
        b" folded: x",
        b"X : y",
        b": x",
    ),
    *(
        b"X\0: y",
        b"X: a\0b",
        b"X: a\rb",
        b"Cookie: " + b"a=b; " * 3000,
        b"Authorization: Bearer \xff.\xff.\xff",
        b"Authorization: Basic !",
    ),
    *(
        b"Content-Type: application/json; charset=\xff",
        b"Content-Encoding: gzip",
        b"Range: bytes=0-",
        b"Accept-Language: \xff;q=\xff",
    ),
)
