// Reading one state of a service's database on the calling thread. Knows no table.
#include "service/readers.h"
#include "service/service.h"

fq_err fq_reading_begin(fq_service *service, fq_reading *out) {
    fq_reader *reader;
    FQ_TRY(fq_reader_pool_borrow(service->readers, &reader));
    const fq_err err = service->engine->ops->reader_begin(reader);
    if (err.code) {
        fq_reader_pool_return(service->readers, reader);
        return err;
    }
    *out = (fq_reading){service, reader};
    return FQ_OK;
}

void fq_reading_end(fq_reading *reading) {
    if (reading->reader) {
        reading->service->engine->ops->reader_end(reading->reader);
        fq_reader_pool_return(reading->service->readers, reading->reader);
        *reading = (fq_reading){0};
    }
}

fq_err fq_service_load(fq_service *service, fq_arena *arena, fq_row *row) {
    fq_reading reading FQ_READING_ENDS = {0};
    FQ_TRY(fq_reading_begin(service, &reading));
    return service->engine->ops->reader_load(reading.reader, arena,
                                             &(fq_row_group){row->table, &row, 1}, 1);
}

fq_err fq_service_scan(fq_service *service, const fq_scan *scan) {
    fq_reading reading FQ_READING_ENDS = {0};
    FQ_TRY(fq_reading_begin(service, &reading));
    return service->engine->ops->reader_scan(reading.reader, scan);
}
