import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Client } from "./client";
import { useConnectory, useSharedConnectory } from "./connectory-server";

const CONNECTORS = fileURLToPath(new URL("../connectors", import.meta.url));

describe("a new server for each test", () => {
    useConnectory();

    test("a created connector is listed", async () => {
        const client = new Client();
        expect(await client.create("HR system")).toBe("hr-system");
        expect(await client.names('name sw "HR"')).toEqual(["HR system"]);
    });
});

describe("a server with faults", () => {
    // Half of the requests are answered with 429. They may be repeated at once. Tokens are always given out.
    useConnectory("--fault", "429=50%,retry-after=0", "--fault", "POST /oauth/token: 429=0%", "--seed", "7");

    test("requests are repeated", async () => {
        const listFiveTimes = async (client: Client) => {
            for (let n = 0; n < 5; n++) {
                expect(await client.names()).toHaveLength(12);
            }
        };
        await expect(listFiveTimes(new Client(0))).rejects.toThrow("429");
        await listFiveTimes(new Client());
    });
});

describe("a server whose tokens expire soon", () => {
    useConnectory("--token-lifetime", "1");

    test("an expired token is replaced", async () => {
        const client = new Client();
        const expired = client.configuration;
        while (client.configuration === expired) {
            await sleep(50);
            expect(await client.names()).toHaveLength(12);
        }
    });
});

describe("a server for all tests, with connectors", () => {
    useSharedConnectory("--load", CONNECTORS);

    test("a loaded connector is there", async () => {
        const client = new Client();
        expect(await client.names('name sw "Pay"')).toEqual(["Payroll"]);
        await client.create("HR system");
    });

    test("the server is as new", async () => {
        expect(await new Client().names('name sw "HR"')).toEqual([]);
    });
});
