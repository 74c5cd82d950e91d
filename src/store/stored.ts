/** A record as it is stored: `_id` in the place of `id`, and dates in the place of those times that are numbers (ms). */
export type Stored<T extends { readonly id: unknown }, Times extends keyof T = never> = {
  readonly [Field in keyof T as Field extends 'id' ? '_id' : Field]: Field extends Times
    ? Date | Extract<T[Field], undefined>
    : T[Field];
};

/** Turns records of one type into rows and back. `times` are its fields that are ms in the program and dates in the database. */
export function rowsOf<T extends { readonly id: unknown }, Times extends keyof T & string = never>(
  times: readonly Times[] = [],
) {
  const convert = (from: 'id' | '_id', to: 'id' | '_id', time: (value: Date | number) => Date | number) => {
    return (record: object) =>
      Object.fromEntries(
        Object.entries(record)
          // Some rows have `null` where a field was set to nothing.
          .filter(([, value]) => value !== undefined && value !== null)
          .map(([field, value]) => [field === from ? to : field, isTime(field) ? time(value) : value]),
      );
  };
  const isTime = (field: string): boolean => times.some((time) => time === field);
  const toRow = convert('id', '_id', (ms) => new Date(ms));
  const fromRow = convert('_id', 'id', (date) => date.valueOf());
  return {
    toRow: (record: T) => toRow(record) as Stored<T, Times>,
    fromRow: (row: Stored<T, Times>) => fromRow(row) as unknown as T,
  };
}
