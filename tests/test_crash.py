"""No acknowledged write is lost when the server is killed at any moment."""

import concurrent.futures
import os
import random
import threading
import time

import requests

FORM = "http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd"


def test_every_acknowledged_write_survives_a_kill(start):
    server = start("--rate-limit", "off")
    acknowledged = {}
    unknown = set()

    def write(worker, round_number, headers, stop):
        """Creates, changes and deletes connectors until the server has ended."""
        for n in range(100_000):
            if stop.is_set():
                return
            name = f"c-{round_number}-{worker}-{n}"
            path = f"{server.url}/v3/connectors"
            try:
                unknown.add(name)
                body = {"name": name, "className": "x.Y"}
                assert requests.post(path, json=body, headers=headers, timeout=10).status_code == 200
                acknowledged[name] = None
                if n % 3:
                    config = f'<Form xmlns="{FORM}" name="{name}-{random.random()}"/>'
                    acknowledged[name] = {config, None}
                    put = requests.put(f"{path}/{name}/source-config", files={"file": config}, headers=headers, timeout=10)
                    assert put.json()["status"] == "UPDATED"
                    acknowledged[name] = config
                if n % 3 == 2:
                    before = acknowledged.pop(name)
                    assert before
                    assert requests.delete(f"{path}/{name}", headers=headers, timeout=10).status_code == 204
                unknown.discard(name)
            except requests.RequestException:
                return

    for round_number in range(int(os.environ.get("CONNECTORY_KILLS", 5))):
        headers = {"Authorization": f"Bearer {server.token()}"}
        stop = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            writers = [pool.submit(write, worker, round_number, headers, stop) for worker in range(8)]
            time.sleep(random.uniform(0.2, 0.6))
            server.kill()
            stop.set()
            for writer in writers:
                writer.result()
        server.start()

        session = server.session()
        listed = set()
        while page := session.get(f"{server.url}/v3/connectors?custom=true&offset={len(listed)}", timeout=30).json():
            listed |= {connector["name"] for connector in page}
        lost = set(acknowledged) - listed
        assert not lost, f"acknowledged and gone: {lost}"
        appeared = listed - set(acknowledged) - unknown
        assert not appeared, f"deleted and back: {appeared}"
        for name in random.sample(sorted(acknowledged), min(50, len(acknowledged))):
            expected = acknowledged[name]
            stored = session.get(f"{server.url}/v3/connectors/{name}/source-config", timeout=30).text
            if isinstance(expected, str):
                assert stored == expected
            elif isinstance(expected, set):
                assert stored in expected or "BaseConfig" in stored
    assert len(acknowledged) > 50, "too few writes to prove anything"
