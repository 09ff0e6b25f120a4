/** The operator's page: what runs, who holds what, and the command for each thing that can be done. No script, no form. Pure. */
export function page(status: Record<string, unknown>, leases: readonly Record<string, unknown>[]): string {
  const row = (lease: Record<string, unknown>): string =>
    `<tr>${['prefix', 'state', 'identity', 'until', 'lastHandshakeAt', 'bytesOut', 'bytesIn', 'id'].map((field) => `<td>${escape(lease[field] ?? '–')}</td>`).join('')}</tr>`
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Freehold IPv6 broker</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem;max-width:80rem}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc}code{background:#eee;padding:0 .3rem}</style>
</head><body><main>
<h1>IPv6 broker</h1>
<p role="status">${status['serving'] === true ? 'Serving.' : `Not serving: ${escape(status['failure'] ?? 'starting')}.`} ${escape(status['leases'])} of ${escape(status['ofPossible'])} prefixes of ${escape(status['pool'])} are leased. ${escape(status['driftRepaired'])} changes by others were set right since the start.</p>
<p>The agent ${escape(status['agent'])} holds ${escape(status['agentWei'])} wei for answers on chain.</p>
<h2>Leases</h2>
<table><thead><tr><th scope="col">Prefix</th><th scope="col">State</th><th scope="col">Installation</th><th scope="col">Until</th><th scope="col">Last handshake</th><th scope="col">Bytes out</th><th scope="col">Bytes in</th><th scope="col">Lease</th></tr></thead>
<tbody>${leases.length === 0 ? '<tr><td colspan="8">No leases yet. Hosts find this broker in the registry.</td></tr>' : leases.map(row).join('\n')}</tbody></table>
<h2>What you can do</h2>
<p><code>freehold-broker suspend LEASE --why TEXT</code> stops a lease at once and is undone by <code>resume</code>. <code>freehold-broker export --address ADDRESS --at TIME</code> tells who held an address. <code>freehold-broker plan</code> shows what would be changed in the network.</p>
</main></body></html>
`
}

function escape(value: unknown): string {
  return String(value).replaceAll(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
}
