"""Prometheus: what the daemon and its runs are doing, read at the moment of the scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.api.feed import Hub
    from daemon.api.ports import Runs


class DaemonCollector(Collector):
    """Collects from live state; costs nothing between scrapes."""

    def __init__(self, runs: Runs, hub: Hub, version: str) -> None:
        self._runs = runs
        self._hub = hub
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """Every family, of runs that have or had a trainer since the daemon started."""
        build = GaugeMetricFamily("synapsed_build_info", "Version of the daemon.", labels=["version"])
        build.add_metric([self._version], 1)
        yield build
        yield GaugeMetricFamily(
            "synapsed_supervisor_resident_bytes",
            "Memory of the supervisor.",
            psutil.Process().memory_info().rss,
        )
        yield GaugeMetricFamily("synapsed_feed_clients", "Clients of the live feed.", self._hub.num_clients)
        yield CounterMetricFamily(
            "synapsed_feed_clients_dropped", "Clients closed for being too slow.", self._hub.dropped_clients
        )
        states = GaugeMetricFamily(
            "synapsed_run_state", "1 for the state a run is in.", labels=["run", "state"]
        )
        degraded = GaugeMetricFamily("synapsed_run_degraded", "1 while a run is degraded.", labels=["run"])
        steps = CounterMetricFamily("synapsed_run_steps", "Finished steps.", labels=["run"])
        samples = CounterMetricFamily("synapsed_run_samples", "Rows learned from.", labels=["run"])
        seconds = CounterMetricFamily("synapsed_run_training_seconds", "Time spent learning.", labels=["run"])
        sessions = CounterMetricFamily("synapsed_run_sessions", "Trainers the run has had.", labels=["run"])
        newest = GaugeMetricFamily(
            "synapsed_run_metric", "Newest value of a metric.", labels=["run", "metric"]
        )
        for run in self._runs.known():
            for state in RunState:
                states.add_metric([run.id, str(state)], float(run.state is state))
            degraded.add_metric([run.id], float(run.degraded is not None))
            steps.add_metric([run.id], run.step)
            samples.add_metric([run.id], run.samples)
            seconds.add_metric([run.id], run.training_seconds)
            sessions.add_metric([run.id], run.session)
            for metric, value in run.latest.items():
                if value is not None:
                    newest.add_metric([run.id, metric], value)
        yield from (states, degraded, steps, samples, seconds, sessions, newest)


def registry_of(runs: Runs, hub: Hub, version: str) -> CollectorRegistry:
    """A registry of our own: nothing of the process's other libraries shows up in it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DaemonCollector(runs, hub, version))
    return registry
