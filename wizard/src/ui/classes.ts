/** Joins class names, leaving out what is false. */
export function classes(...names: (string | false | undefined)[]): string {
  return names.filter((n) => n !== false && n !== undefined && n !== '').join(' ')
}
