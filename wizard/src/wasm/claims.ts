/** What a receipt says of itself; nothing of it is checked here. Texts that cannot be read say nothing. */
export function claimsOf(jws: string): { status: string; gasUsed: string } {
  try {
    const payload = (jws.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')
    const said = JSON.parse(atob(payload)) as Record<string, unknown>
    const gas = String(said['gas_used'])
    return { status: String(said['status']), gasUsed: /^\d+$/.test(gas) ? gas : '0' }
  } catch {
    return { status: '?', gasUsed: '0' }
  }
}
