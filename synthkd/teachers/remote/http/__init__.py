"""One POST over HTTP/1.1, by the fastest client that knows the server.

    plain http, no proxy ──► `PlainClient` (asyncio and httptools)
                                 │ an answer that it does not know
    TLS, proxies, odd servers ──►└─► `AiohttpClient`

Both keep the same contract (`HttpClient`): an answer belongs to its request, a body is bounded, an
error says whether the request may have been worked on.

module               subject
-------------------  --------------------------------------------------------------
`contract`           what a client takes, gives and raises
`client`             which client an endpoint gets
`plain_client`       a pool of plain connections
`plain_connection`   one connection: a request, its answer, and bounds on both
`timeouts`           one timer for all requests
`failures`           errors of a connection
`aiohttp_client`     aiohttp behind the contract
`guarded_connector`  aiohttp's connections with the checks of `reuse`
`reuse`              whether a server can be trusted with a connection twice
`bounded_body`       bodies decoded within a size limit
"""

from synthkd.teachers.remote.http.client import open_client
from synthkd.teachers.remote.http.contract import HttpClient, HttpResponse

__all__ = ["HttpClient", "HttpResponse", "open_client"]
