/** An operation as `/openapi.json` has it. */
export interface ApiOperation {
  readonly method: string;
  /** With its parameters in braces. */
  readonly path: string;
  /** The names of the path's parameters. */
  readonly params: readonly string[];
  /** The fields of its JSON body; null: it takes none. */
  readonly bodyFields: ReadonlySet<string> | null;
}

interface Schema {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly allOf?: readonly Schema[];
}

interface Document {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { requestBody?: { content: Record<string, { schema?: Schema }> } }>>>
  >;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** All operations that the service says it has; a test compares them with the routes that it does have. */
export async function apiOperations(origin: string): Promise<ApiOperation[]> {
  const document = (await (await fetch(`${origin}/openapi.json`)).json()) as Document;
  const fieldsOf = (schema: Schema): string[] => {
    const named = schema.$ref === undefined ? schema : document.components.schemas[schema.$ref.split('/').at(-1) ?? ''];
    return [...Object.keys(named?.properties ?? {}), ...(named?.allOf ?? []).flatMap(fieldsOf)];
  };
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { requestBody }]) => {
      const schema = requestBody?.content['application/json']?.schema;
      return {
        method: method.toUpperCase(),
        path,
        params: [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name),
        bodyFields: schema === undefined ? null : new Set(fieldsOf(schema)),
      };
    }),
  );
}
