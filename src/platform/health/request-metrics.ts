import type { RequestRecord } from '../../kernel/request-record.js';
import { surfaceOf } from '../http/http-request.js';
import type { RequestObserver } from '../http/request-observer.js';

/** Upper bounds of the latency buckets, in seconds. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx', 'aborted'] as const;
const ABORTED = 5;
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const UNMATCHED = 'unmatched';

export interface Sample {
  readonly labels: Record<string, string | number>;
  readonly value: number;
  readonly metricName?: string;
}

/** The counts of one method on one route, in plain arrays. */
class RouteCounts {
  readonly byClass = new Float64Array(STATUS_CLASSES.length);
  readonly buckets = new Float64Array(BOUNDS.length + 1);
  seconds = 0;

  add(statusClass: number, seconds: number): void {
    this.byClass[statusClass] = (this.byClass[statusClass] ?? 0) + 1;
    let bucket = 0;
    while (bucket < BOUNDS.length && seconds > (BOUNDS[bucket] ?? 0)) bucket += 1;
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
    this.seconds += seconds;
  }
}

/**
 * Counts requests on the hot path (two map look-ups and three additions) and turns the counts into samples only when
 * somebody scrapes. Labels are bounded: route templates, known methods, status classes; never who called.
 */
export class RequestMetrics implements RequestObserver {
  readonly #routes = new Map<string, Map<string, RouteCounts>>();

  onRecordClosed(record: RequestRecord): void {
    const route = record.route ?? UNMATCHED;
    let methods = this.#routes.get(route);
    if (methods === undefined) {
      methods = new Map();
      this.#routes.set(route, methods);
    }
    const method = METHODS.has(record.method) ? record.method : 'other';
    let counts = methods.get(method);
    if (counts === undefined) {
      counts = new RouteCounts();
      methods.set(method, counts);
    }
    counts.add(record.aborted ? ABORTED : classOf(record.status), record.latencyMs / 1000);
  }

  /** Samples of `http_requests_total`. */
  totals(): Sample[] {
    return [...this.#each()].flatMap(({ labels, counts }) =>
      STATUS_CLASSES.flatMap((status_class, index) => {
        const value = counts.byClass[index] ?? 0;
        return value === 0 ? [] : [{ labels: { ...labels, status_class }, value }];
      }),
    );
  }

  /** Samples of the histogram `name`. */
  latencies(name: string): Sample[] {
    return [...this.#each()].flatMap(({ labels, counts }) => {
      let below = 0;
      const buckets = [...BOUNDS, '+Inf'].map((le, index) => {
        below += counts.buckets[index] ?? 0;
        return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
      });
      return [
        ...buckets,
        { metricName: `${name}_sum`, labels, value: counts.seconds },
        { metricName: `${name}_count`, labels, value: below },
      ];
    });
  }

  *#each(): Generator<{ labels: Record<string, string>; counts: RouteCounts }> {
    for (const [route, methods] of this.#routes) {
      const surface = route === UNMATCHED ? 'none' : surfaceOf(route);
      for (const [method, counts] of methods) yield { labels: { surface, method, route }, counts };
    }
  }
}

function classOf(status: number): number {
  return Math.min(4, Math.max(0, Math.floor(status / 100) - 1));
}
