// A client, which stands for yours.

import { Configuration, ConnectorsV2024Api } from "sailpoint-api-client";

type Api = ConnectorsV2024Api;

export class Client {
    retries: number;
    configuration!: Configuration;
    api!: Api;

    constructor(retries = 3) {
        this.retries = retries;
        this.signIn();
    }

    signIn() {
        // Reads SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET, and gets a token.
        this.configuration = new Configuration();
        this.configuration.retriesConfig = {
            retries: this.retries,
            retryCondition: (error) => error.response?.status === 429,
            retryDelay: (_, error) => 1000 * Number(error.response?.headers["retry-after"]),
        };
        this.api = new ConnectorsV2024Api(this.configuration);
    }

    async create(name: string) {
        const v3CreateConnectorDtoV2024 = { name, className: "com.example.Connector" };
        const { data } = await this.call((api) => api.createCustomConnector({ v3CreateConnectorDtoV2024 }));
        return data.scriptName;
    }

    async names(filters?: string) {
        const { data } = await this.call((api) => api.getConnectorList({ filters }));
        return data.map((connector) => connector.name);
    }

    // Calls an operation, with a new token if this one has expired.
    private async call<T>(operation: (api: Api) => Promise<T>): Promise<T> {
        try {
            return await operation(this.api);
        } catch (error) {
            if ((error as { response?: { status: number } }).response?.status !== 401) throw error;
            this.signIn();
            return await operation(this.api);
        }
    }
}
