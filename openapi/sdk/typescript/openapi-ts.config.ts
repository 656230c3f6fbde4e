// The generated part. `./dev sdk` writes contract.json from openapi/driftpack.yaml.
import { defineConfig } from '@hey-api/openapi-ts';

export default defineConfig({
  input: './contract.json',
  output: { path: 'src/generated', importFileExtension: '.js' },
  plugins: ['@hey-api/client-fetch', '@hey-api/typescript', '@hey-api/sdk'],
});
