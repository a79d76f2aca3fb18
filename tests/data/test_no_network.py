"""The guard in ``tests/conftest.py`` works: without it the promise that tests stay offline would be empty."""

import socket

import pytest


def test_the_network_is_blocked():
    with pytest.raises(RuntimeError, match="tests never touch the network"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)  # an address reserved for documentation
    with pytest.raises(RuntimeError, match="tests never touch the network"):
        socket.getaddrinfo("example.org", 80)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, pytest.raises(RuntimeError, match="never touch"):
        sock.sendto(b"x", ("192.0.2.1", 53))


def test_this_machine_is_not():
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname(), timeout=5) as client:
        assert client.getpeername() == server.getsockname()
    left, right = socket.socketpair(socket.AF_UNIX)
    with left, right:
        left.sendall(b"x")
        assert right.recv(1) == b"x"
