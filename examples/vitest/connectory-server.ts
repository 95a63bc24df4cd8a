// Servers for your tests: `connectory serve --ephemeral`, started and stopped by vitest.
//
// `connectory fixture vitest` prints this file. It needs vitest, in a project of TypeScript or of JavaScript, and the
// program `connectory`: the one that the variable CONNECTORY_BINARY names, or else the one on PATH. In a file of tests,
// or in a `describe`:
//
//     import { useConnectory } from "./connectory-server";
//     const server = useConnectory();
//
// Each test there has a server of its own. `useSharedConnectory` starts one server, which is reset before each test.
// Both set SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET for the time of a test, so the tests of a file must not
// run concurrently. The arguments are options of `connectory serve`, such as `useConnectory("--token-lifetime", "1")`. If
// a test fails, vitest shows what the server logged.

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeEach } from "vitest";

// The time that a server has to start, to answer and to end, in milliseconds.
const MILLISECONDS = 30_000;
// How often a request of this file is sent: a server with faults may answer with one.
const TRIES = 20;
// The exit code of a shell that does not find a program.
const NOT_FOUND = 127;
const HELP = "Install connectory, or set CONNECTORY_BINARY to the path of the program.";
// A shell becomes the server. Beside it, another shell waits until the pipe to it is closed, which happens however this
// process ends. Then it ends the server. A line in the pipe says that there is nothing to end.
const RUN = 'exec 3<&0; { read -r line <&3 || kill "$$" 2>/dev/null; } & exec "$@" 3<&- </dev/null';

// A server with one API client, which has every right.
export class Server {
    readonly clientId = randomBytes(16).toString("hex");
    readonly clientSecret = randomBytes(32).toString("hex");
    url = "";
    private readonly folder = mkdtempSync(join(tmpdir(), "connectory-test-"));
    private readonly process: ChildProcess;
    private readonly ended: Promise<void>;
    // Whether the process is gone, because a test stopped it or because it failed.
    hasEnded = false;
    private lastLog: string | undefined;

    private constructor(options: string[]) {
        const binary = process.env.CONNECTORY_BINARY || "connectory";
        const fixed = ["serve", "--ephemeral", "--listen", "127.0.0.1:0", "--port-file", this.portFile];
        // The settings of the user who runs the tests are not those of the tests.
        const kept = Object.entries(process.env).filter(([name]) => !/^(CONNECTORY|SAIL)_/.test(name));
        const credentials = { CONNECTORY_CLIENT_ID: this.clientId, CONNECTORY_CLIENT_SECRET: this.clientSecret };
        const log = openSync(this.logFile, "w");
        this.process = spawn("sh", ["-c", RUN, "connectory", binary, ...fixed, ...options], {
            env: { ...Object.fromEntries(kept), ...credentials },
            stdio: ["pipe", "ignore", log],
        });
        closeSync(log);
        // The server may end before the line in the pipe is read.
        this.process.stdin?.on("error", () => {});
        this.ended = new Promise((resolve) => {
            const end = () => {
                this.hasEnded = true;
                resolve();
            };
            this.process.on("exit", end).on("error", end);
        });
    }

    // Starts a server. The arguments are options of `connectory serve`.
    static async start(...options: string[]): Promise<Server> {
        const server = new Server(options);
        const deadline = Date.now() + MILLISECONDS;
        while (!existsSync(server.portFile)) {
            if (server.hasEnded || Date.now() > deadline) {
                const what = server.hasEnded ? "ended" : `was not ready after ${MILLISECONDS / 1000} seconds`;
                await server.stop();
                const help = server.process.exitCode === NOT_FOUND ? HELP : "";
                throw new Error(`\`connectory serve\` ${what}. It wrote:\n${server.log}${help}`);
            }
            await sleep(1);
        }
        server.url = `http://127.0.0.1:${readFileSync(server.portFile, "utf8").trim()}`;
        return server;
    }

    // The variables that the official SDKs read.
    get environment(): Record<string, string> {
        return { SAIL_BASE_URL: this.url, SAIL_CLIENT_ID: this.clientId, SAIL_CLIENT_SECRET: this.clientSecret };
    }

    // What the server has logged. The last lines may come some milliseconds late.
    get log(): string {
        return this.lastLog ?? readFileSync(this.logFile, "utf8");
    }

    // A new access token.
    async token(): Promise<string> {
        const form = { grant_type: "client_credentials", client_id: this.clientId, client_secret: this.clientSecret };
        for (let tries = 1; ; tries++) {
            try {
                const answer = await this.post("/oauth/token", { body: new URLSearchParams(form) });
                return ((await answer.json()) as { access_token: string }).access_token;
            } catch (error) {
                if (tries === TRIES) throw error;
            }
        }
    }

    // Brings the server back to what it was started with.
    async reset(): Promise<void> {
        await this.post("/connectory/v1/reset", { headers: { Authorization: `Bearer ${await this.token()}` } });
    }

    // Ends the server, and removes its files. `log` stays.
    async stop(): Promise<void> {
        if (this.lastLog !== undefined) return;
        if (!this.hasEnded) this.process.kill();
        this.process.stdin?.end("\n");
        const killer = setTimeout(() => this.process.kill("SIGKILL"), MILLISECONDS);
        await this.ended;
        clearTimeout(killer);
        this.lastLog = this.log;
        rmSync(this.folder, { recursive: true, force: true });
    }

    private get portFile(): string {
        return join(this.folder, "port");
    }

    private get logFile(): string {
        return join(this.folder, "log");
    }

    private async post(path: string, request: RequestInit): Promise<Response> {
        const signal = AbortSignal.timeout(MILLISECONDS);
        const answer = await fetch(this.url + path, { method: "POST", signal, ...request });
        if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`);
        return answer;
    }
}

// The server of the running test.
export type CurrentServer = Omit<Server, "stop">;

// Gives each test of this file or `describe` a new server.
export function useConnectory(...options: string[]): CurrentServer {
    let server: Server | undefined;
    const start = async () => (server = await Server.start(...options));
    const stop = async () => server?.stop();
    return use(start, stop, () => server);
}

// Gives all tests of this file or `describe` one server. It is as new for each test.
export function useSharedConnectory(...options: string[]): CurrentServer {
    let server: Server | undefined;
    const startOrReset = async () => {
        if (server && !server.hasEnded) {
            await server.reset();
        } else {
            await server?.stop();
            server = await Server.start(...options);
        }
        return server;
    };
    afterAll(async () => server?.stop());
    return use(startOrReset, async () => {}, () => server);
}

// Sets the variables of a server for the time of each test.
function use(begin: () => Promise<Server>, end: () => Promise<void>, current: () => Server | undefined): CurrentServer {
    let before: Record<string, string | undefined> = {};
    beforeEach(async ({ onTestFailed }) => {
        const server = await begin();
        const logged = server.log.length;
        onTestFailed(() => console.error(server.log.slice(logged)));
        before = Object.fromEntries(Object.keys(server.environment).map((name) => [name, process.env[name]]));
        Object.assign(process.env, server.environment);
    });
    afterEach(async () => {
        for (const [name, value] of Object.entries(before)) {
            if (value === undefined) delete process.env[name];
            else process.env[name] = value;
        }
        await end();
    });
    return new Proxy({} as CurrentServer, {
        get(_, name) {
            const server = current();
            if (!server) throw new Error("the server starts before the first test, and no test has begun yet");
            const value = Reflect.get(server, name, server);
            return typeof value === "function" ? value.bind(server) : value;
        },
    });
}
