// What the vendor's TypeScript SDK does with a server. The argument names a function; test_other_sdks.py runs them.

import assert from "node:assert/strict";
import { Configuration, ConnectorsApi, ConnectorsBetaApi, ConnectorsV2024Api, Paginator } from "sailpoint-api-client";

const FORM = "http://www.sailpoint.com/xsd/sailpoint_form_2_0.xsd";

// The SDK names the body of a create and of a patch after the version.
const VERSIONS = [
    { Api: ConnectorsApi, dto: "v3CreateConnectorDto", operations: "jsonPatchOperation" },
    { Api: ConnectorsV2024Api, dto: "v3CreateConnectorDtoV2024", operations: "jsonPatchOperationV2024" },
];

function sdk({ Api, dto, operations } = VERSIONS[1], parameters = {}) {
    const api = new Api(Object.assign(new Configuration(), parameters));
    api.create = async (members) => {
        const className = "sailpoint.connector.OpenConnectorAdapter";
        return (await api.createCustomConnector({ [dto]: { className, ...members } })).data;
    };
    api.patch = async (scriptName, ...changes) => (await api.updateConnector({ scriptName, [operations]: changes })).data;
    return api;
}

const file = (text) => new Blob([text], { type: "text/xml" });

// The SDK's own method sends no file unless the options have it.
function translations(text) {
    const data = new FormData();
    data.append("file", new Blob([text]), "de.properties");
    return { data };
}

async function refusal(status, call) {
    const error = await call().then(() => undefined, (thrown) => thrown);
    assert.equal(error?.response?.status, status, error);
    return error.response;
}

const functions = {
    async a_connector_lives_its_whole_life() {
        for (const version of VERSIONS) {
            const api = sdk(version);
            const created = await api.create({ name: "HR système", type: "custom HR", directConnect: false, status: "DEVELOPMENT" });
            const { scriptName } = created;
            assert.deepEqual([scriptName, created.name, created.type], ["hr-systeme", "HR système", "custom HR"]);
            assert.deepEqual([created.directConnect, created.status, created.features], [false, "DEVELOPMENT", []]);

            const { data: detail } = await api.getConnector({ scriptName });
            assert.equal(detail.s3Location, `custom-connector/${scriptName}`);
            assert.ok(detail.fileUpload && detail.sourceConfigXml.includes("HR système"));

            const documents = {
                SourceConfig: `<Form xmlns="${FORM}" name="HR"><Menu name="m" label="menuLabel_A"/></Form>`,
                SourceTemplate: '<Application name="HR" featuresString="PROVISIONING, SEARCH"/>',
                CorrelationConfig: '<CorrelationConfig name="HR"/>',
            };
            for (const [document, text] of Object.entries(documents)) {
                // The SDK for v3 cannot upload a correlation config.
                if (!api[`putConnector${document}`]) continue;
                const put = async (body) => (await api[`putConnector${document}`]({ scriptName, file: file(body) })).data;
                const path = `custom-connector/${scriptName}/${document.replace(/(?<=.)[A-Z]/, "-$&").toLowerCase()}.xml`;
                assert.deepEqual(await put(text), { scriptName, updatedFiles: [path], status: "UPDATED" });
                assert.equal((await put(text)).status, "UNCHANGED");
                assert.equal((await put("<Other/>")).status, "ERROR");
                assert.equal((await api[`getConnector${document}`]({ scriptName })).data, text);
            }

            const german = { scriptName, locale: "de" };
            assert.equal((await api.putConnectorTranslations(german)).data.status, "SKIPPED");
            const texts = "menuLabel_A=Verbindung\n";
            assert.equal((await api.putConnectorTranslations(german, translations(texts))).data.status, "UPDATED");
            assert.equal((await api.getConnectorTranslations(german)).data, texts);
            assert.ok((await api.getConnector(german)).data.sourceConfig.includes('label="Verbindung"'));

            const patched = await api.patch(
                scriptName,
                { op: "add", path: "/connectorMetadata/category", value: "HR" },
                { op: "replace", path: "/sourceConfigXml", value: `<Form xmlns="${FORM}" fileUpload="false"/>` },
                { op: "add", path: "/connectorMetadata/labels", value: ["people"] },
            );
            assert.deepEqual(patched.connectorMetadata, { category: "HR", labels: ["people"] });
            assert.equal(patched.fileUpload, false);
            assert.deepEqual((await api.getConnector({ scriptName })).data, patched);

            await api.deleteCustomConnector({ scriptName });
            await refusal(404, () => api.getConnector({ scriptName }));
            await refusal(404, () => api.deleteCustomConnector({ scriptName }));
        }
    },

    async lists_filter_page_and_count() {
        for (const Api of [ConnectorsApi, ConnectorsV2024Api, ConnectorsBetaApi]) {
            const api = new Api(new Configuration());
            for (const [filters, expected] of [
                ['name co "ldap"', 3],
                ['type sw "open"', 1],
                ["directConnect eq false", 1],
                ['category eq "Directory"', 3],
                ['features ca ("PROVISIONING","SEARCH")', 11],
                ['labels ca ("open standard")', 3],
                ['name co "ldap" and not (name sw "open" or directConnect eq false)', 2],
            ]) {
                const answer = await api.getConnectorList({ filters, count: true, limit: 2 });
                assert.equal(answer.headers["x-total-count"], String(expected), filters);
                assert.equal(answer.data.length, Math.min(expected, 2), filters);
            }
            const names = ({ data }) => data.map((item) => item.name);
            const everything = names(await api.getConnectorList());
            assert.equal(everything.length, 12);
            assert.deepEqual(names(await Paginator.paginate(api, api.getConnectorList, { limit: 1000 }, 5)), everything);
            const filters = 'name sw "SCIM"';
            const description = async (locale) => (await api.getConnectorList({ filters, locale })).data[0].connectorMetadata.shortDesc;
            assert.notEqual(await description("de"), await description("en"));
        }
    },

    async refusals_are_exceptions() {
        const api = sdk();
        const { scriptName } = await api.create({ name: "HR" });
        for (const [what, call] of Object.entries({
            duplicate: () => api.create({ name: "SCIM 2.0" }),
            filter: () => api.getConnectorList({ filters: "color eq red" }),
            xml: () => api.putConnectorSourceConfig({ scriptName, file: file("<Form>") }),
            patch: () => api.patch(scriptName, { op: "replace", path: "/name", value: "x" }),
            builtIn: () => api.deleteCustomConnector({ scriptName: "scim-2" }),
        })) {
            const { data } = await refusal(400, call);
            assert.equal(data.detailCode, "400.1 Bad request content", what);
            assert.ok(data.trackingId.length === 32 && data.messages[0].text, what);
        }
        const wrong = await refusal(401, () => sdk(VERSIONS[1], { accessToken: "e30.e30.e30" }).getConnectorList());
        assert.deepEqual(wrong.data, { error: "JWT validation failed: JWT is malformed" });

        process.env.SAIL_CLIENT_ID = process.env.READER_ID;
        process.env.SAIL_CLIENT_SECRET = process.env.READER_SECRET;
        const reader = sdk();
        assert.equal((await reader.getConnectorList()).data.length, 13);
        assert.equal((await refusal(403, () => reader.create({ name: "IT" }))).data.detailCode, "403 Forbidden");
    },

    // As the vendor's examples configure the SDK, but with the wait that the server asks for.
    async the_rate_limit_is_waited_out() {
        const retriesConfig = {
            retries: 3,
            retryCondition: (error) => error.response?.status === 429,
            retryDelay: (_, error) => 1000 * Number(error.response.headers["retry-after"]),
        };
        const api = sdk(VERSIONS[1], { retriesConfig });
        for (let n = 0; n < 12; n++) {
            assert.equal((await api.getConnectorList({ limit: 1 })).data.length, 1);
        }
    },

    // As the SDK does if it is not configured.
    async the_rate_limit_is_an_exception() {
        const api = sdk();
        for (let n = 0; n < 5; n++) {
            await api.getConnectorList({ limit: 1 });
        }
        const { data, headers } = await refusal(429, () => api.getConnectorList({ limit: 1 }));
        assert.deepEqual(data, { message: " Rate Limit Exceeded " });
        const seconds = Number(headers["retry-after"]);
        assert.ok(1 <= seconds && seconds <= 60, headers["retry-after"]);
    },

    async a_list_and_a_create_fail() {
        const api = sdk();
        for (const call of [() => api.getConnectorList(), () => api.create({ name: "HR" })]) {
            await assert.rejects(call, { isAxiosError: true });
        }
    },
};

await functions[process.argv[2]]().catch((error) => {
    // The error of a request holds the whole client.
    console.error(error.stack, error.response?.data);
    process.exitCode = 1;
});
