import { databaseConfig } from "./config.js";
import { connectDatabase } from "./database.js";
import { migrate } from "./migrations.js";
import { failStart } from "./run.js";

try {
  const config = databaseConfig();
  const pool = await connectDatabase(config);
  await pool.end();
  await migrate(config);
} catch (error) {
  failStart(error);
}
