import { ApiProperty } from '@nestjs/swagger';
import type { Explanation } from './explain.service.js';
import type { Decision } from './limit-decision.js';
import { MODES, type Mode } from './limit-policy.js';
import { presentSource, SourceView } from './rate-limits.view.js';

/** One bucket the requests would be counted in, as it is. */
export class ExplainedBucketView {
  @ApiProperty() class!: string;
  @ApiProperty({ type: 'integer', description: 'While `degraded`, the share of this replica.' }) quota!: number;
  @ApiProperty({ type: 'integer' }) window_seconds!: number;
  @ApiProperty({ enum: MODES }) mode!: Mode;
  @ApiProperty({ type: 'integer', description: 'Units in the bucket now.' }) remaining!: number;
  @ApiProperty({ type: 'integer', description: 'Units the requests would take.' }) needed!: number;
  @ApiProperty({ description: 'It does not hold them: it would refuse, or in shadow would have.' }) lacking!: boolean;
  @ApiProperty({
    type: 'integer',
    description: 'Seconds until it holds enough, where it lacks units; otherwise until it is full.',
  })
  reset_seconds!: number;
  @ApiProperty({ type: SourceView }) source!: SourceView;
}

export class ExplainedStreamsView {
  @ApiProperty({ type: 'integer', nullable: true, description: 'Null: not limited.' }) concurrent!: number | null;
  @ApiProperty({ enum: MODES }) mode!: Mode;
  @ApiProperty({ type: 'integer', description: 'Over all replicas.' }) under_way!: number;
  @ApiProperty({ type: SourceView }) source!: SourceView;
}

/** What would be decided, and why. */
export class ExplanationView {
  @ApiProperty({ type: String, nullable: true }) client_id!: string | null;
  @ApiProperty({ type: String, nullable: true }) user_id!: string | null;
  @ApiProperty() tier!: string;
  @ApiProperty({ example: 'POST /api/v1/query' }) route!: string;
  @ApiProperty({ type: 'integer' }) n!: number;
  @ApiProperty() allowed!: boolean;
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'The same as of a refusal for the same reason; null where nothing is counted.',
  })
  decision_id!: string | null;
  @ApiProperty({
    type: 'integer',
    nullable: true,
    description: 'Null where they are allowed, and where they are more than a bucket ever holds.',
  })
  retry_after_seconds!: number | null;
  @ApiProperty({ description: 'Redis is away: this is what the replica that answers would decide by itself.' })
  degraded!: boolean;
  @ApiProperty({ type: [ExplainedBucketView] }) buckets!: ExplainedBucketView[];
  @ApiProperty({ type: ExplainedStreamsView }) streams!: ExplainedStreamsView;
}

export function presentExplanation({ subject, tier, route, requests, decided, streams }: Explanation): ExplanationView {
  const decision = decided?.decision;
  const allowed = decision?.allowed ?? true;
  return {
    client_id: subject.type === 'client' ? subject.id : null,
    user_id: subject.type === 'user' ? subject.id : null,
    tier,
    route: `${route.method} ${route.template}`,
    n: requests,
    allowed,
    decision_id: decided?.id ?? null,
    retry_after_seconds: decision === undefined ? null : waitOf(decision, requests),
    degraded: decision?.degraded ?? false,
    buckets: presentBuckets(decided, requests),
    streams: {
      concurrent: streams.policy.concurrent,
      mode: streams.policy.mode,
      under_way: streams.underWay,
      source: presentSource(streams.policy),
    },
  };
}

function waitOf({ allowed, buckets, tightest }: Decision, requests: number): number | null {
  const never = buckets.some(({ shadow, quota, cost }) => !shadow && requests * cost > quota);
  return allowed || never ? null : Math.max(tightest.resetSeconds, 1);
}

function presentBuckets(decided: Explanation['decided'], requests: number): ExplainedBucketView[] {
  if (decided === null) return [];
  const { decision, sources } = decided;
  return decision.buckets.map((bucket, index) => ({
    class: bucket.class,
    quota: bucket.quota,
    window_seconds: bucket.windowSeconds,
    mode: bucket.shadow ? 'shadow' : 'enforce',
    remaining: bucket.remaining,
    needed: requests * bucket.cost,
    lacking: bucket.lacking,
    reset_seconds: bucket.resetSeconds,
    source: presentSource(sources[index] as (typeof sources)[number]),
  }));
}
