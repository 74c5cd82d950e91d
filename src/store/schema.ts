import mongoose, { type mongo, Schema, type SchemaDefinitionProperty } from 'mongoose';

declare module 'mongoose' {
  // Mongoose hands the option on to the driver, but its types leave it out. The driver ignores `w` and `j` outside it.
  interface SaveOptions {
    writeConcern?: mongo.WriteConcernSettings;
  }
  interface InsertManyOptions {
    writeConcern?: mongo.WriteConcernSettings;
  }
}

/*
 * What holds for every schema. Updates are validated like new documents, and a field that a schema does not list is an
 * error, in documents, updates and filters alike: Mongoose would drop it from a write without a word, and a filter
 * without its condition finds everything.
 */
mongoose.set('runValidators', true);
const STRICT = { strict: 'throw', strictQuery: 'throw', minimize: false, versionKey: false } as const;

// `required` means that the field is there. An empty text or an empty piece of a file is a value.
const isThere = (value: unknown): boolean => value !== undefined && value !== null;
Schema.Types.String.checkRequired(isThere);
Schema.Types.Buffer.checkRequired(isThere);

/** The paths of a schema for a type of row: each field of the row, and `required` where the row always has it. */
export type Paths<Row> = {
  readonly [Field in keyof Row]-?: object extends Pick<Row, Field>
    ? SchemaDefinitionProperty
    : SchemaDefinitionProperty & { readonly required: true };
};

/** Mongoose gives every array that is absent the default `[]`; here what is absent stays absent, unless a default is set. */
function withoutArrayDefaults(paths: object): Record<string, SchemaDefinitionProperty> {
  return Object.fromEntries(
    Object.entries(paths).map(([field, path]) => {
      const isArray = Array.isArray(path) || Array.isArray(path.type);
      if (!isArray) return [field, path];
      return [field, { default: undefined, ...(Array.isArray(path) ? { type: path } : path) }];
    }),
  );
}

/** The schema of the documents of a collection. */
export function collectionSchema<Row extends { readonly _id: unknown }>(
  collection: string,
  paths: Paths<Row>,
): Schema<Row> {
  return new Schema<Row>(withoutArrayDefaults(paths), { ...STRICT, collection, suppressReservedKeysWarning: true });
}

/** The schema of a part of a document: a nested document, or one element of a list. */
export function partSchema<Part>(paths: Paths<Part>): Schema<Part> {
  return new Schema<Part>(withoutArrayDefaults(paths), { ...STRICT, _id: false });
}
