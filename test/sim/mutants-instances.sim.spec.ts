// Planted bugs of the layer 'instances'.
import { findsAll } from './planted.ts';

findsAll('instances');
