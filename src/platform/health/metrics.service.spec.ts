import { RequestRecord } from '../../kernel/request-record.js';
import { RequestObservers } from '../http/request-observer.js';
import { MetricsService } from './metrics.service.js';

function build() {
  const observers = new RequestObservers();
  return { observers, metrics: new MetricsService(observers) };
}

function record(facts: Partial<RequestRecord>, method = 'GET') {
  const made = new RequestRecord('req_canary', method, '203.0.113.7', 'curl', 0);
  return Object.assign(made, { status: 200, clientId: 'cn_live_canary', ...facts });
}

describe('MetricsService', () => {
  it('counts requests by surface, route, method and kind of outcome', async () => {
    const { observers, metrics } = build();
    const route = '/v1/chat/completions';
    observers.closed(record({ route, latencyMs: 3 }, 'POST'));
    observers.closed(record({ route, latencyMs: 30 }, 'POST'));
    observers.closed(record({ route, status: 429 }, 'POST'));
    observers.closed(record({ route, aborted: true }, 'POST'));
    observers.closed(record({ status: 404 }, 'BREW'));
    const text = await metrics.text();
    const labels = 'surface="openai",method="POST",route="/v1/chat/completions"';
    expect(text).toContain(`http_requests_total{${labels},status_class="2xx"} 2`);
    expect(text).toContain(`http_requests_total{${labels},status_class="4xx"} 1`);
    expect(text).toContain(`http_requests_total{${labels},status_class="aborted"} 1`);
    expect(text).toContain('http_requests_total{surface="none",method="other",route="unmatched",status_class="4xx"} 1');
    expect(text).toContain(`http_request_duration_seconds_bucket{${labels},le="0.005"} 3`);
    expect(text).toContain(`http_request_duration_seconds_bucket{${labels},le="+Inf"} 4`);
    expect(text).toContain(`http_request_duration_seconds_count{${labels}} 4`);
    expect(text).toContain(`http_request_duration_seconds_sum{${labels}} 0.033`);
  });

  it('names no caller', async () => {
    const { observers, metrics } = build();
    observers.closed(record({ route: '/api/v1/whoami' }));
    const text = await metrics.text();
    for (const canary of ['cn_live_canary', '203.0.113.7', 'req_canary']) expect(text).not.toContain(canary);
  });

  it("reads the rooms' own numbers at each scrape", async () => {
    const { metrics } = build();
    const stats = { hits: 1, misses: 0 };
    metrics.counter('cache_lookups_total', 'Look-ups.', () => ({ ...stats }), 'outcome');
    let depth = 3;
    metrics.gauge('queue_depth', 'Waiting.', () => depth);
    expect(await metrics.text()).toContain('core_nest_cache_lookups_total{outcome="hits"} 1');
    stats.hits = 5;
    depth = 0;
    const text = await metrics.text();
    expect(text).toContain('core_nest_cache_lookups_total{outcome="hits"} 5');
    expect(text).toContain('core_nest_queue_depth 0');
  });
});
