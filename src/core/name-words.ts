/** Words of a name in any order and case, without accents and initials: "DOE, José Q." is "doe", "jose". */
export function nameWords(name: string): string[] {
  return name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => [...word].length > 1)
    .sort();
}
