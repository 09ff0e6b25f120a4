import { sectionNames } from '@freehold/appliance/api/schemas/setup-wizard'
import type { Metadata } from 'next'
import { pageTitle } from '../../i18n/server.ts'
import { SetupPage } from '../../setup/SetupPage.tsx'

/** The title says which page of the wizard it is, where the address does (X10, X13). */
export async function generateMetadata(props: { searchParams: Promise<{ page?: string | string[] }> }): Promise<Metadata> {
  const { page } = await props.searchParams
  const known = ([...sectionNames, 'review', 'run'] as const).find((name) => name === page)
  return await pageTitle(known === undefined ? 'setup.title' : `setup.section.${known}`)
}

export default function Page() {
  return <SetupPage />
}
