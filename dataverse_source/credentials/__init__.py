"""Sign-in: from settings, or from a credential object, to the bearer tokens of an environment."""

from dataverse_source.credentials.foreign import TokenCredential
from dataverse_source.credentials.sign_in import identity, token_source
from dataverse_source.credentials.spec import DataverseCredentials
from dataverse_source.credentials.tokens import RenewingTokens, TokenSource

__all__ = [
    "DataverseCredentials",
    "RenewingTokens",
    "TokenCredential",
    "TokenSource",
    "identity",
    "token_source",
]
