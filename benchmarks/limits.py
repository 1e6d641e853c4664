"""Measures how near requests come to what the service protection limits allow.

    uv run python -m benchmarks.limits
    uv run python -m benchmarks.limits --requests 2000 --servers 1 --threads 60
    uv run python -m benchmarks.limits --requests 1200 --servers 1 --threads 60 --processes 4

A sandbox in a process of its own enforces the documented limits for several web servers and
takes a fixed time for each request; many threads ask at once through one client. With
``--processes`` several processes share them, one application user and the setting ``processes``.
Time runs faster by ``--scale``: the window, the execution time in it, and the time that a request
takes, all alike, so that as many requests fit into a window as in reality.

The lower bound is what evenly spent limits allow (servers S, window W):

    max(requests / 6000 * W / S, execution seconds / 1200 * W / S, execution seconds / (52 * S))

A run that begins with an empty window can be quicker, as nothing has been spent before. With M
requests in a window, which are S * min(6000, 1200 / seconds of one + 52), it takes at least

    n windows, and (requests - n * M) * seconds of one / (52 * S),  n = ceil(requests / M) - 1

for what is left over. Both are printed.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from dataverse_source.client.client import DataverseClient
from dataverse_source.client.counters import Counters
from dataverse_source.client.session import new_session
from dataverse_source.client.throttle.budget import ServiceLimits
from dataverse_source.client.throttle.limiter import ConcurrencyLimiter
from dataverse_source.credentials import DataverseCredentials, token_source


@dataclass(frozen=True)
class Model:
    """What is asked, and of which service.

    Attributes:
        requests: how many.
        seconds: execution time of each, before scaling.
        servers: web servers behind the host.
        scale: seconds that a modelled second takes.
        threads: that ask at once, in all processes together.
        processes: that share the requests.
    """

    requests: int = 3000
    seconds: float = 1.5
    servers: int = 3
    scale: float = 0.1
    threads: int = 160
    processes: int = 1

    @property
    def limits(self) -> ServiceLimits:
        """The documented limits, with their times scaled."""
        full = ServiceLimits()
        return ServiceLimits(
            full.requests,
            full.execution_seconds * self.scale,
            full.concurrent,
            full.window_seconds * self.scale,
        )

    @property
    def even_bound(self) -> float:
        """Seconds that the limits take where they are spent evenly."""
        return max(self._even.values())

    @property
    def binds(self) -> str:
        """Which limit makes it so long."""
        return max(self._even, key=lambda name: self._even[name])

    @property
    def burst_bound(self) -> float:
        """Seconds that they take at least, from an empty window on."""
        limits, cost = self.limits, self.seconds * self.scale
        # Requests that are under way when the execution time is spent are answered still.
        in_time = limits.execution_seconds / cost + limits.concurrent
        most = self.servers * min(limits.requests, in_time)
        windows = max(math.ceil(self.requests / most) - 1, 0)
        last = self.requests - windows * most
        at_once = limits.concurrent * self.servers
        return windows * limits.window_seconds + max(last * cost / at_once, cost)

    @property
    def _even(self) -> dict[str, float]:
        limits, spent = self.limits, self.requests * self.seconds * self.scale
        window = limits.window_seconds / self.servers
        return {
            "requests": self.requests / limits.requests * window,
            "execution time": spent / limits.execution_seconds * window,
            "requests at once": spent / (limits.concurrent * self.servers),
        }


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        seconds: wall time of all requests.
        refused: requests that were answered 429, by error code.
        twice: requests that were answered 429 twice in a row.
        counters: the client's.
    """

    seconds: float
    refused: dict[str, int]
    twice: int
    counters: Counters


def measure(model: Model) -> Outcome:
    """Asks, and counts."""
    context = multiprocessing.get_context("spawn")
    with _service(model) as (connection, line), ExitStack() as clients:
        pipes = []
        for number in range(model.processes):
            here, there = context.Pipe()
            work = context.Process(target=_ask_share, args=(connection, model, number, there))
            work.start()
            clients.callback(work.join, 30)
            there.close()
            pipes.append(here)
        for pipe in pipes:
            pipe.recv()
        began = time.perf_counter()
        for pipe in pipes:
            pipe.send("begin")
        counters = Counters.total(pipe.recv() for pipe in pipes)
        seconds = time.perf_counter() - began
        line.send("report")
        refused, twice = line.recv()
    return Outcome(seconds, refused, twice, counters)


def _ask_share(connection: dict[str, Any], model: Model, number: int, pipe: Connection) -> None:
    """One process: says that it is signed in, and asks its share when it is told to begin."""
    numbers = range(number, model.requests, model.processes)
    threads = max(model.threads // model.processes, 1)
    with new_session(ca_bundle=connection["ca_bundle"]) as session:
        client = _client(connection, model, session)
        client.get_json("WhoAmI")
        pipe.send("ready")
        pipe.recv()
        with ThreadPoolExecutor(threads) as crew:
            for _ in crew.map(lambda one: _ask(client, one), numbers):
                pass
        pipe.send(client.counters)


def _client(connection: dict[str, Any], model: Model, session: Any) -> DataverseClient:
    credentials = DataverseCredentials(
        tenant_id=connection["tenant_id"],
        client_id=connection["client_id"],
        client_secret=connection["client_secret"],
        authority_host=connection["authority_host"],
    )
    url = connection["environment_url"]
    limiter = ConcurrencyLimiter(model.limits)
    limiter.processes = model.processes
    return DataverseClient(
        url,
        token_source(credentials, url, session=session),
        session=session,
        limiter=limiter,
    )


def _ask(client: DataverseClient, number: int) -> None:
    query = {"$select": "name", "$filter": f"accountnumber eq '{number}'", "$top": "1"}
    client.get_json("accounts", query)


@contextmanager
def _service(model: Model) -> Iterator[tuple[dict[str, Any], Connection]]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(model, there), daemon=True)
    process.start()
    there.close()
    try:
        yield here.recv(), here
    finally:
        here.close()
        process.join(30)


def _serve(model: Model, line: Connection) -> None:
    """Runs the sandbox until the other side hangs up."""
    from dataverse_source.sandbox import LatencySettings, LimitSettings, Sandbox

    limits = model.limits
    settings = LimitSettings(
        enforced=True,
        requests=int(limits.requests),
        execution_seconds=limits.execution_seconds,
        concurrent=limits.concurrent,
        window_seconds=limits.window_seconds,
        servers=model.servers,
    )
    latency = LatencySettings(base_seconds=model.seconds * model.scale)
    with Sandbox({"accounts": 10}, limits=settings, latency=latency) as sandbox:
        names = ("environment_url", "authority_host", "ca_bundle", "tenant_id", "client_id")
        told = {name: getattr(sandbox, name) for name in names}
        line.send({**told, "client_secret": sandbox.client_secret})
        try:
            while line.recv():
                line.send((dict(sandbox.limits.refused), _twice(sandbox)))
        except EOFError:
            return


def _twice(sandbox: Any) -> int:
    """Requests that were refused twice in a row."""
    refused = Counter((one.path, one.query) for one in sandbox.requests if one.status == 429)
    return sum(times > 1 for times in refused.values())


def main() -> None:
    """Measures and prints."""
    model = _options()
    outcome = measure(model)
    counters = outcome.counters
    refused = sum(outcome.refused.values())
    print(
        f"{model.requests:,} requests of {model.seconds:g} s on {model.servers} servers, "
        f"{model.threads} threads in {model.processes} processes, time x {model.scale:g}\n"
        f"wall time                     {outcome.seconds:8.1f} s\n"
        f"lower bound, spent evenly     {model.even_bound:8.1f} s"
        f"   ratio {outcome.seconds / model.even_bound:.2f}\n"
        f"lower bound, from empty       {model.burst_bound:8.1f} s"
        f"   ratio {outcome.seconds / model.burst_bound:.2f}\n"
        f"answered 429                  {refused:8,}     {refused / model.requests:.2%}"
        f"   {outcome.refused}\n"
        f"429 twice in a row            {outcome.twice:8,}\n"
        f"requests at once, mean        {counters.mean_concurrency:8.1f}\n"
        f"held back by limits           {counters.seconds_waited:8.1f} s"
    )


def _options() -> Model:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in vars(Model()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    return Model(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
