"""A database moves to another one: tokens stay valid, streams of events go on, and a kill in the middle loses nothing."""

import os
import re
import signal
import subprocess
import time

import pytest
import requests

from conftest import BINARY, Server, connectory, environment
from postgres import Cluster

WITH_POSTGRES = "CONNECTORY_TEST_POSTGRES" in os.environ


@pytest.fixture(scope="module")
def cluster():
    if not WITH_POSTGRES:
        yield None
        return
    cluster = Cluster()
    yield cluster
    cluster.end()
