import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseEnv } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';

/** The folder of everything that is deployed. */
export const DEPLOY = join(import.meta.dirname, '../../deploy');

/** One object of Kubernetes, as its file has it. */
export type Manifest = Readonly<Record<string, unknown>>;

/** The value at a path of keys and positions, `spec.ports.0.name`; undefined where there is none. */
export function at(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown> | null)?.[key], value);
}

/** The same as a list; none where there is nothing. */
export function listAt(value: unknown, path: string): unknown[] {
  return (at(value, path) as unknown[] | undefined) ?? [];
}

/** A YAML file, merge keys resolved. */
export function readYaml(path: string): unknown {
  return parse(readFileSync(path, 'utf8'), { merge: true, maxAliasCount: -1 });
}

/**
 * A set of `deploy/kubernetes`, rendered as far as these sets use kustomize: resources, and of a component its images,
 * its namespace and its generated ConfigMaps (without the digest in their names).
 */
export function renderSet(name: string): Manifest[] {
  const folder = join(DEPLOY, 'kubernetes', name);
  const set = readKustomization(folder);
  const manifests = listAt(set, 'resources').flatMap((file) => readManifests(join(folder, String(file))));
  for (const path of listAt(set, 'components')) {
    const component = join(folder, String(path));
    const added = readKustomization(component);
    manifests.push(...listAt(added, 'configMapGenerator').map((each) => generated(each, component)));
    for (const manifest of manifests) {
      for (const container of containersOf(manifest)) container.image = imageOf(container.image, added);
      const metadata = manifest.metadata as Record<string, unknown>;
      if (manifest.kind !== 'Namespace') metadata.namespace = at(added, 'namespace');
    }
  }
  return manifests;
}

/** The files of a set that are manifests. */
export function manifestFiles(name: string): string[] {
  return readdirSync(join(DEPLOY, 'kubernetes', name)).filter((file) => file !== 'kustomization.yaml');
}

/** What a set's own kustomization lists. */
export function listedFiles(name: string): string[] {
  return listAt(readKustomization(join(DEPLOY, 'kubernetes', name)), 'resources').map((file) => basename(String(file)));
}

/** The one object of a kind. @throws Error when there is not exactly one. */
export function theOnly(manifests: readonly Manifest[], kind: string): Manifest {
  const [found, ...others] = manifests.filter((manifest) => manifest.kind === kind);
  if (found === undefined || others.length > 0) throw new Error(`There is not exactly one ${kind}.`);
  return found;
}

/** The containers of whatever makes pods; none of anything else. */
export function containersOf(manifest: Manifest): Record<string, unknown>[] {
  return listAt(manifest, 'spec.template.spec.containers') as Record<string, unknown>[];
}

function readKustomization(folder: string): unknown {
  return readYaml(join(folder, 'kustomization.yaml'));
}

function readManifests(path: string): Manifest[] {
  return parseAllDocuments(readFileSync(path, 'utf8')).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS() as Manifest;
  });
}

function generated(generator: unknown, folder: string): Manifest {
  const files = listAt(generator, 'envs').map((file) => readFileSync(join(folder, String(file)), 'utf8'));
  return {
    kind: 'ConfigMap',
    metadata: { name: at(generator, 'name') },
    data: Object.assign({}, ...files.map((text) => parseEnv(text))),
  };
}

function imageOf(image: unknown, component: unknown): unknown {
  const found = listAt(component, 'images').find((each) => at(each, 'name') === image);
  return found === undefined ? image : `${at(found, 'newName')}:${at(found, 'newTag')}`;
}
