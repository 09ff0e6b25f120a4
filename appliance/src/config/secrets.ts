/** An address that carries a key: its user part, or a long word in path or query. */
export function secretsOfUrl(text: string): boolean {
  const url = new URL(text)
  const words = [...url.pathname.split('/'), ...url.searchParams.values()]
  return url.username !== '' || url.password !== '' || words.some((word) => /^[A-Za-z0-9_-]{16,}$/.test(word))
}
