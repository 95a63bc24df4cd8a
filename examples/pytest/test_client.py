import pathlib
import time

import pytest
from client import ApiException, Client

CONNECTORS = pathlib.Path(__file__).parent.parent / "connectors"


def test_a_created_connector_is_listed(connectory):
    client = Client()
    assert client.create("HR system") == "hr-system"
    assert client.names('name sw "HR"') == ["HR system"]


# Half of the requests are answered with 429. The SDK may repeat them at once. Tokens are always given out.
@pytest.mark.connectory("--fault", "429=50%,retry-after=0", "--fault", "POST /oauth/token: 429=0%", "--seed", "7")
def test_reads_are_repeated(connectory):
    with pytest.raises(ApiException, match="429"):
        for _ in range(5):
            Client(retries=False).names()
    client = Client()
    for _ in range(5):
        assert len(client.names()) == 12


@pytest.mark.connectory("--token-lifetime", "1")
def test_an_expired_token_is_replaced(connectory):
    client = Client()
    expired = client.token
    while client.token == expired:
        time.sleep(0.05)
        assert len(client.names()) == 12


@pytest.mark.connectory("--load", CONNECTORS)
def test_a_loaded_connector_is_there(connectory_session):
    client = Client()
    assert client.names('name sw "Pay"') == ["Payroll"]
    client.create("HR system")


@pytest.mark.connectory("--load", CONNECTORS)
def test_the_shared_server_is_as_new(connectory_session):
    assert Client().names('name sw "HR"') == []
