import type { World } from './world.ts'

/** Vnets that a node has: applied, and of a zone that names it or none. Source: schema. */
export function vnetsOn(world: World, node: string): string[] {
  return [...world.vnets.values()]
    .filter((v) => {
      const nodes = String(world.zones.get(String(v['zone']))?.['nodes'] ?? '')
      return v['applied'] === 1 && (nodes === '' || nodes.split(',').includes(node))
    })
    .map((v) => String(v['vnet']))
}
