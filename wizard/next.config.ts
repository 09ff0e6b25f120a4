import { join } from 'node:path'
import type { NextConfig } from 'next'

const root = join(import.meta.dirname, '..')

const config: NextConfig = {
  output: 'standalone',
  outputFileTracingRoot: root,
  turbopack: { root },
  transpilePackages: ['@freehold/appliance', '@freehold/contracts', '@freehold/wasm-client'],
  poweredByHeader: false,
  reactStrictMode: true,
  // the badge of the development server covers controls at 320 px
  devIndicators: false,
}

export default config
