import { Module, type OnModuleInit } from '@nestjs/common';
import { HealthModule } from '../../platform/health/health.module.js';
import { MetricsService } from '../../platform/health/metrics.service.js';
import { RateLimitModule } from '../rate-limit/rate-limit.module.js';
import { AnthropicController } from './anthropic.controller.js';
import { GatewayService } from './gateway.service.js';
import { GeminiController } from './gemini.controller.js';
import { ModelAccess } from './model-access.js';
import { ModelListService } from './model-list.service.js';
import { ModelResolver } from './model-resolver.js';
import { ModelsController } from './models.controller.js';
import { OpenAiController } from './openai.controller.js';
import { ProviderKeys } from './provider-keys.js';
import { AnthropicProvider } from './providers/anthropic.provider.js';
import { EchoProvider } from './providers/echo.provider.js';
import { GeminiProvider } from './providers/gemini.provider.js';
import { OpenAiProvider } from './providers/openai.provider.js';
import { PROVIDERS, type Provider } from './providers/provider.js';
import { QueryController } from './query.controller.js';
import { QueryService } from './query.service.js';
import { UpstreamPools } from './upstream-pools.js';

const ALL_PROVIDERS = [EchoProvider, OpenAiProvider, AnthropicProvider, GeminiProvider];

/** The LLM routes: which provider serves a request, and the way there and back. */
@Module({
  imports: [HealthModule, RateLimitModule],
  controllers: [OpenAiController, AnthropicController, GeminiController, ModelsController, QueryController],
  providers: [
    GatewayService,
    ModelListService,
    QueryService,
    ModelResolver,
    ModelAccess,
    ProviderKeys,
    UpstreamPools,
    ...ALL_PROVIDERS,
    { provide: PROVIDERS, useFactory: (...all: Provider[]) => all, inject: ALL_PROVIDERS },
  ],
  exports: [GatewayService],
})
export class GatewayModule implements OnModuleInit {
  constructor(
    private readonly metrics: MetricsService,
    private readonly pools: UpstreamPools,
  ) {}

  onModuleInit(): void {
    const { metrics, pools } = this;
    metrics.gauge('upstream_connections', 'Open connections to providers.', () => pools.stats('connected'), 'provider');
    metrics.gauge('upstream_requests', 'Requests to providers under way.', () => pools.stats('running'), 'provider');
  }
}
