import { Module } from '@nestjs/common';
import { AnthropicController } from './anthropic.controller.js';
import { GatewayService } from './gateway.service.js';
import { GeminiController } from './gemini.controller.js';
import { ModelResolver } from './model-resolver.js';
import { OpenAiController } from './openai.controller.js';
import { ProviderKeys } from './provider-keys.js';
import { AnthropicProvider } from './providers/anthropic.provider.js';
import { EchoProvider } from './providers/echo.provider.js';
import { GeminiProvider } from './providers/gemini.provider.js';
import { OpenAiProvider } from './providers/openai.provider.js';
import { PROVIDERS, type Provider } from './providers/provider.js';
import { UpstreamPools } from './upstream-pools.js';

const ALL_PROVIDERS = [EchoProvider, OpenAiProvider, AnthropicProvider, GeminiProvider];

/** The LLM routes: which provider serves a request, and the way there and back. */
@Module({
  controllers: [OpenAiController, AnthropicController, GeminiController],
  providers: [
    GatewayService,
    ModelResolver,
    ProviderKeys,
    UpstreamPools,
    ...ALL_PROVIDERS,
    { provide: PROVIDERS, useFactory: (...all: Provider[]) => all, inject: ALL_PROVIDERS },
  ],
  exports: [UpstreamPools],
})
export class GatewayModule {}
