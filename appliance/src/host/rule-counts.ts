/**
 * How many rules each chain has, by table, of a text for `nft -f` or of a listing: both have a chain's rules one a line. Equal
 * for a listing of just these rules.
 */
export function ruleCounts(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  let table = ''
  let chain: string | undefined
  for (const line of text.split('\n').map((one) => one.trim())) {
    const opened = /^(table \w+ \w+|chain \S+|set \S+|map \S+) \{$/.exec(line)?.[1]
    if (opened?.startsWith('table ') === true) table = opened
    else if (opened?.startsWith('chain ') === true) {
      chain = `${table} ${opened}`
      counts.set(chain, 0)
    } else if (line === '}') chain = undefined
    else if (chain !== undefined && line !== '' && !line.startsWith('type ') && !line.startsWith('#')) {
      counts.set(chain, (counts.get(chain) ?? 0) + 1)
    }
  }
  return counts
}
