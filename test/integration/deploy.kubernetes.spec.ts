import { existsSync } from 'node:fs';
import { BlockList } from 'node:net';
import { join } from 'node:path';
import { loadSettings, settingNames } from '../../src/platform/config/load-settings.js';
import { ReadinessService } from '../../src/platform/health/readiness.service.js';
import { startEdgeApp } from '../support/edge-app.js';
import {
  at,
  containersOf,
  DEPLOY,
  listAt,
  listedFiles,
  type Manifest,
  manifestFiles,
  readYaml,
  renderSet,
  theOnly,
} from '../support/manifests.js';

/** Seconds the rooms have for their last writes after the last request (see `onApplicationShutdown`), and to spare. */
const FLUSH_SECONDS = 10;
const SETS = ['migrate', 'serve'];

const migrate = renderSet('migrate');
const serve = renderSet('serve');
const all = [...migrate, ...serve];
const job = theOnly(migrate, 'Job');
const deployment = theOnly(serve, 'Deployment');
const settings = at(theOnly(serve, 'ConfigMap'), 'data') as Record<string, string>;
const secret = readYaml(join(DEPLOY, 'kubernetes/secret.example.yaml'));
const secretNames = Object.keys(at(secret, 'stringData') as object);

describe('deploy/kubernetes', () => {
  it.each(SETS)('lists every file of the set %s', (set) => {
    expect(listedFiles(set).toSorted()).toEqual(manifestFiles(set).toSorted());
  });

  it('puts everything into one namespace, and runs one image', () => {
    const namespace = at(theOnly(migrate, 'Namespace'), 'metadata.name');
    for (const manifest of [...all, secret as Manifest].filter(({ kind }) => kind !== 'Namespace'))
      expect(at(manifest, 'metadata.namespace')).toBe(namespace);
    const images = new Set(all.flatMap(containersOf).map(({ image }) => image));
    expect(images.size).toBe(1);
    expect([...images][0]).toMatch(/^[a-z0-9./-]+:\d+\.\d+\.\d+$/);
  });

  it('migrates with what the image holds', () => {
    const [node, script] = listAt(job, 'spec.template.spec.containers.0.command').map(String);
    expect(node).toBe('node');
    const source = String(script)
      .replace(/^dist\//, '')
      .replace(/\.js$/, '.ts');
    expect(existsSync(join(DEPLOY, '..', source))).toBe(true);
  });

  describe('settings', () => {
    it('are all settings of core-nest, and valid together with the secrets', () => {
      const ofJob = listAt(job, 'spec.template.spec.containers.0.env').map((each) => String(at(each, 'name')));
      const known = settingNames();
      for (const name of [...Object.keys(settings), ...secretNames, ...ofJob]) expect(known).toContain(name);
      const given = {
        ...settings,
        DATABASE_URL: 'postgres://core_nest:x@db/core_nest',
        REDIS_URL: 'rediss://:x@redis:6379',
        MASTER_KEY: 'x'.repeat(64),
      };
      expect(() => loadSettings(given)).not.toThrow();
    });

    it('hold no secret', () => {
      expect(all.filter(({ kind }) => kind === 'Secret')).toEqual([]);
      expect(new Set(Object.values(at(secret, 'stringData') as object))).toEqual(new Set(['']));
      for (const name of Object.keys(settings)) {
        expect(secretNames).not.toContain(name);
        expect(name).not.toMatch(/KEY$|PASSWORD|(?<!PUBLIC)_URL$/);
      }
    });

    it('come to the pods from the ConfigMap and the Secret that there are', () => {
      const { envFrom } = containersOf(deployment)[0] as { envFrom: unknown };
      expect(envFrom).toEqual([
        { configMapRef: { name: at(theOnly(serve, 'ConfigMap'), 'metadata.name') } },
        { secretRef: { name: at(secret, 'metadata.name') } },
      ]);
      const from = at(job, 'spec.template.spec.containers.0.env.0.valueFrom.secretKeyRef');
      expect(from).toEqual({ name: at(secret, 'metadata.name'), key: 'DATABASE_URL' });
      expect(theOnly(migrate, 'ConfigMap')).toEqual(theOnly(serve, 'ConfigMap'));
    });
  });

  describe('a pod', () => {
    const container = containersOf(deployment)[0];
    const probe = (name: string) => String(at(container, `${name}.httpGet.path`));

    it('is probed where core-nest answers, over plain HTTP from no trusted proxy', async () => {
      const { HTTPS_REQUIRED, TRUSTED_PROXIES } = settings;
      expect(HTTPS_REQUIRED).toBe('on');
      const { app, port, close } = await startEdgeApp({ HTTPS_REQUIRED, TRUSTED_PROXIES });
      const status = async (name: string) => (await fetch(`http://127.0.0.1:${port}${probe(name)}`)).status;
      try {
        expect(await status('startupProbe')).toBe(200);
        expect(await status('livenessProbe')).toBe(200);
        expect(await status('readinessProbe')).toBe(503);
        app.get(ReadinessService).setWarm();
        expect(await status('readinessProbe')).toBe(200);
        app.get(ReadinessService).drain();
        expect(await status('readinessProbe')).toBe(503);
        expect(await status('livenessProbe')).toBe(200);
      } finally {
        await close();
      }
    });

    it('is probed on the port that core-nest listens on', () => {
      const ports = listAt(container, 'ports');
      expect(ports).toEqual([{ name: 'http', containerPort: Number(settings.PORT) }]);
      for (const name of ['startupProbe', 'livenessProbe', 'readinessProbe'])
        expect(at(container, `${name}.httpGet.port`)).toBe('http');
      expect(at(theOnly(serve, 'Service'), 'spec.ports.0.targetPort')).toBe('http');
      expect(settings.HOST).toBe('0.0.0.0');
    });

    it('is given the time to leave that core-nest takes', () => {
      const pause = Number(at(container, 'lifecycle.preStop.sleep.seconds'));
      expect(pause).toBeGreaterThanOrEqual(Number(at(container, 'readinessProbe.periodSeconds')));
      expect(at(deployment, 'spec.template.spec.terminationGracePeriodSeconds')).toBeGreaterThanOrEqual(
        pause + Number(settings.SHUTDOWN_GRACE_SECONDS) + FLUSH_SECONDS,
      );
    });

    it.each([
      ['Job', job],
      ['Deployment', deployment],
    ])('of the %s may do nothing that it need not', (_kind, manifest) => {
      expect(at(theOnly(migrate, 'Namespace'), 'metadata.labels')).toEqual({
        'pod-security.kubernetes.io/enforce': 'restricted',
      });
      expect(at(manifest, 'spec.template.spec')).toMatchObject({
        serviceAccountName: at(theOnly(migrate, 'ServiceAccount'), 'metadata.name'),
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      });
      for (const each of containersOf(manifest)) {
        expect(each.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(Object.keys(at(each, 'resources.requests') as object).toSorted()).toEqual(['cpu', 'memory']);
        expect(at(each, 'resources.limits')).toEqual({ memory: expect.any(String) });
      }
    });
  });

  describe('availability', () => {
    const autoscaler = theOnly(serve, 'HorizontalPodAutoscaler');
    const replicas = Number(at(autoscaler, 'spec.minReplicas'));

    it('keeps three replicas at least, and is the only one to say how many', () => {
      expect(replicas).toBe(3);
      expect(at(autoscaler, 'spec.maxReplicas')).toBeGreaterThan(replicas);
      expect(at(deployment, 'spec.replicas')).toBeUndefined();
      expect(at(autoscaler, 'spec.scaleTargetRef')).toEqual({
        apiVersion: deployment.apiVersion,
        kind: deployment.kind,
        name: at(deployment, 'metadata.name'),
      });
    });

    it('takes away one replica at a time by a drain and none by a rollout', () => {
      const budget = Number(at(theOnly(serve, 'PodDisruptionBudget'), 'spec.maxUnavailable'));
      expect(budget).toBe(1);
      expect(budget).toBeLessThan(replicas);
      expect(at(deployment, 'spec.strategy.rollingUpdate')).toEqual({ maxUnavailable: 0, maxSurge: 1 });
    });

    it('selects the pods that serve, and never the one that migrates', () => {
      const serving = at(deployment, 'spec.template.metadata.labels');
      const migrating = at(job, 'spec.template.metadata.labels');
      const selectors = [
        at(deployment, 'spec.selector.matchLabels'),
        at(theOnly(serve, 'Service'), 'spec.selector'),
        at(theOnly(serve, 'PodDisruptionBudget'), 'spec.selector.matchLabels'),
        ...listAt(deployment, 'spec.template.spec.topologySpreadConstraints').map((each) =>
          at(each, 'labelSelector.matchLabels'),
        ),
      ];
      expect(selectors).toHaveLength(5);
      for (const selector of selectors) {
        expect(serving).toMatchObject(selector as object);
        expect(migrating).not.toMatchObject(selector as object);
      }
    });
  });

  describe('the network', () => {
    const policies = migrate.filter(({ kind }) => kind === 'NetworkPolicy');
    const rules = (direction: string) => policies.flatMap((policy) => listAt(policy, `spec.${direction}`));

    it('is closed in both directions to every pod unless a policy opens it', () => {
      const closed = policies.find((policy) => rulesOf(policy).length === 0);
      expect(at(closed, 'spec.policyTypes')).toEqual(['Ingress', 'Egress']);
      for (const pod of [job, deployment])
        expect(at(pod, 'spec.template.metadata.labels')).toMatchObject(
          at(closed, 'spec.podSelector.matchLabels') as object,
        );
    });

    it('lets one namespace in, to the one port', () => {
      expect(rules('ingress')).toEqual([
        {
          from: [{ namespaceSelector: { matchLabels: expect.any(Object) } }],
          ports: [{ protocol: 'TCP', port: 'http' }],
        },
      ]);
    });

    it('lets out to names, PostgreSQL, Redis and its Sentinels, and HTTPS', () => {
      const ports = rules('egress').flatMap((rule) => listAt(rule, 'ports').map((port) => at(port, 'port')));
      expect(new Set(ports)).toEqual(new Set([53, 5432, 6379, 26379, 443]));
    });

    it.each([
      ['the metadata service', '169.254.169.254', 'ipv4'],
      ['the Kubernetes API of most clusters', '10.96.0.1', 'ipv4'],
      ['a neighbour', '192.168.1.1', 'ipv4'],
      ['a neighbour by IPv6', 'fd00::1', 'ipv6'],
    ] as const)('lets nobody out to %s over HTTPS', (_name, address, family) => {
      const https = rules('egress').filter((rule) => at(rule, 'ports.0.port') === 443);
      const blocks = https.flatMap((rule) => listAt(rule, 'to').map((to) => at(to, 'ipBlock')));
      expect(blocks).toHaveLength(2);
      expect(blocks.some((block) => holds(block, address, family))).toBe(false);
      expect(blocks.some((block) => holds(block, family === 'ipv4' ? '203.0.113.1' : '2001:db8::1', family))).toBe(
        true,
      );
    });
  });
});

function rulesOf(policy: Manifest): unknown[] {
  return [...listAt(policy, 'spec.ingress'), ...listAt(policy, 'spec.egress')];
}

function holds(block: unknown, address: string, family: 'ipv4' | 'ipv6'): boolean {
  const listed = (cidrs: unknown[]) => {
    const list = new BlockList();
    for (const [network = '', bits] of cidrs.map((cidr) => String(cidr).split('/'))) {
      // An IPv4 address would be found in ::/0 too, as one that is mapped into IPv6.
      if (network.includes(':') === (family === 'ipv6')) list.addSubnet(network, Number(bits), family);
    }
    return list.check(address, family);
  };
  return listed([at(block, 'cidr')]) && !listed(listAt(block, 'except'));
}
