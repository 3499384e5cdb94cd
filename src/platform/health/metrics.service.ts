import { Injectable } from '@nestjs/common';
import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client';
import { RequestObservers } from '../http/request-observer.js';
import { RequestMetrics, type Sample } from './request-metrics.js';

const PREFIX = 'core_nest_';

/** Reads a room's own number, or one number per value of a label (`hit`, `miss`). Called at each scrape only. */
export type MetricReader = () => number | Readonly<Record<string, number>>;

/**
 * The numbers of this process in Prometheus' format. Rooms keep plain counters and register how to read them: nothing
 * of this library runs on the hot path.
 */
@Injectable()
export class MetricsService {
  readonly #registry = new Registry();
  readonly #requests = new RequestMetrics();

  constructor(observers: RequestObservers) {
    observers.add(this.#requests);
    collectDefaultMetrics({ register: this.#registry });
    this.#registerSamples('http_requests_total', 'Requests answered or broken off.', 'counter', () =>
      this.#requests.totals(),
    );
    const latency = 'http_request_duration_seconds';
    this.#registerSamples(latency, 'Seconds from the first header to the close of the response.', 'histogram', () =>
      this.#requests.latencies(latency),
    );
  }

  /** A number that goes up and down: a queue's depth, a pool's connections in use. */
  gauge(name: string, help: string, read: MetricReader, label = 'kind'): void {
    this.#register('gauge', name, help, read, label);
  }

  /** A number that only grows, counted by the room since start; `name` ends in `_total`. */
  counter(name: string, help: string, read: MetricReader, label = 'kind'): void {
    this.#register('counter', name, help, read, label);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The exposition text. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #register(type: 'gauge' | 'counter', name: string, help: string, read: MetricReader, label: string): void {
    const labelled = typeof read() === 'object';
    const labelNames = labelled ? [label] : [];
    const Kind = type === 'gauge' ? Gauge : Counter;
    const metric = new Kind({
      name: `${PREFIX}${name}`,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => {
        const now = read();
        metric.reset();
        if (typeof now === 'number') metric.inc(now);
        else for (const [value, count] of Object.entries(now)) metric.inc({ [label]: value }, count);
      },
    });
  }

  #registerSamples(name: string, help: string, type: 'counter' | 'histogram', values: () => Sample[]): void {
    const source = { name, help, type, aggregator: 'sum', get: async () => ({ name, help, type, values: values() }) };
    this.#registry.registerMetric(source as unknown as Metric);
  }
}
