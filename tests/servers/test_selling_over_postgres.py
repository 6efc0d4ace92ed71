"""Edges that sell of one stock on PostgreSQL, as they and the server are killed."""

from __future__ import annotations

import pytest
from selling_edges import check, sell, sell_to_fifty_thousand

pytestmark = pytest.mark.further


@pytest.fixture
def url(postgres_server, request):
    schema = f"selling_{abs(hash(request.node.name))}"
    raw = postgres_server.connect_url(postgres_server.url)
    raw.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    raw.close()
    return f"{postgres_server.url}?schema={schema}"


@pytest.fixture
def kill_server(postgres_server):
    def kill():
        postgres_server.kill()
        postgres_server.start()

    return kill


def test_two_edges_sell_a_stock(tmp_path, url):
    edges = sell(tmp_path, 120, 2, 200, kills_max=2, pause_s=0.01, url=url)
    check(tmp_path, edges, 120, url)


@pytest.mark.campaign
def test_eight_edges_sell_ten_thousand_units_to_fifty_thousand_takers(tmp_path, url, kill_server):
    sell_to_fifty_thousand(tmp_path, url=url, harm=kill_server)
