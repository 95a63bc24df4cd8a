"""A client, which stands for yours. It works with version 1 and with version 2 of the package `sailpoint`."""

from sailpoint.configuration import Configuration

try:
    from sailpoint.connectors.api.connectors_api import ConnectorsApi
    from sailpoint.connectors.api_client import ApiClient
    from sailpoint.connectors.exceptions import ApiException, UnauthorizedException
    from sailpoint.connectors.models.v3_create_connector_dto import V3CreateConnectorDto

    VERSION = "_v1"
except ImportError:
    from sailpoint.v2025.api.connectors_api import ConnectorsApi
    from sailpoint.v2025.api_client import ApiClient
    from sailpoint.v2025.exceptions import ApiException, UnauthorizedException
    from sailpoint.v2025.models.v3_create_connector_dto import V3CreateConnectorDto

    VERSION = ""


class Client:
    def __init__(self, retries=3):
        self.retries = retries
        self.sign_in()

    def sign_in(self):
        # Reads SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET, and gets a token.
        configuration = Configuration()
        configuration.retries = self.retries
        self.token = configuration.access_token
        self.api = ConnectorsApi(ApiClient(configuration))

    def create(self, name):
        new = V3CreateConnectorDto(name=name, class_name="com.example.Connector")
        return self.call("create_custom_connector", new).script_name

    def names(self, filters=None):
        return [connector.name for connector in self.call("get_connector_list", filters=filters)]

    def call(self, operation, *arguments, **named):
        """Calls an operation, with a new token if this one has expired."""
        try:
            return getattr(self.api, operation + VERSION)(*arguments, **named)
        except UnauthorizedException:
            self.sign_in()
            return getattr(self.api, operation + VERSION)(*arguments, **named)
