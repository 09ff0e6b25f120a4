import type { Metadata } from 'next'
import { pageTitle } from '../i18n/server.ts'
import { Storefront } from '../store/Storefront.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('store.plans')

export default function Page() {
  return <Storefront />
}
