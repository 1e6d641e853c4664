#include "export.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace decoder {
namespace {

// What an exported structure owns. A consumer may move a child away, which sets its release to
// null; it is then released by the consumer.
template <typename Exported>
struct Children {
    std::vector<Exported> children;
    std::vector<Exported*> pointers;

    explicit Children(std::size_t count) : children(count), pointers(count) {
        for (std::size_t index = 0; index < count; ++index) pointers[index] = &children[index];
    }
    Children(const Children&) = delete;
    Children& operator=(const Children&) = delete;
    ~Children() {
        for (Exported& child : children) {
            if (child.release != nullptr) child.release(&child);
        }
    }
};

template <typename Owned, typename Exported>
void release(Exported* exported) {
    delete static_cast<Owned*>(exported->private_data);
    exported->release = nullptr;
}

struct OwnedField {
    std::string name;
    std::string format;
};

void export_field(const Field& field, ArrowSchema* out) {
    auto owned = std::make_unique<OwnedField>(OwnedField{field.name, field.format});
    *out = ArrowSchema{};
    out->format = owned->format.c_str();
    out->name = owned->name.c_str();
    out->flags = ARROW_FLAG_NULLABLE;
    out->private_data = owned.release();
    out->release = &release<OwnedField, ArrowSchema>;
}

struct OwnedColumn {
    Column column;
    const void* buffers[3];
};

void export_column(Column&& column, std::size_t rows, std::int64_t nulls, ArrowArray* out) {
    auto owned = std::make_unique<OwnedColumn>(OwnedColumn{std::move(column), {}});
    const Column& kept = owned->column;
    owned->buffers[0] = nulls == 0 ? nullptr : kept.validity.data();
    owned->buffers[1] = kept.values.data();
    owned->buffers[2] = kept.text.data();
    *out = ArrowArray{};
    out->length = static_cast<std::int64_t>(rows);
    out->null_count = nulls;
    out->n_buffers = kept.field->kind == Kind::text ? 3 : 2;
    out->buffers = owned->buffers;
    out->private_data = owned.release();
    out->release = &release<OwnedColumn, ArrowArray>;
}

struct OwnedRows {
    explicit OwnedRows(std::size_t count) : columns(count) {}

    Children<ArrowArray> columns;
    const void* buffers[1] = {nullptr};  // no row is null
};

}  // namespace

void export_schema(const Plan& plan, ArrowSchema* out) {
    auto owned = std::make_unique<Children<ArrowSchema>>(plan.size());
    for (std::size_t index = 0; index < plan.size(); ++index) {
        export_field(plan[index], &owned->children[index]);
    }
    *out = ArrowSchema{};
    out->format = "+s";
    out->name = "";
    out->n_children = static_cast<std::int64_t>(plan.size());
    out->children = owned->pointers.data();
    out->private_data = owned.release();
    out->release = &release<Children<ArrowSchema>, ArrowSchema>;
}

void export_rows(Rows&& rows, ArrowArray* out) {
    std::vector<Column>& columns = rows.columns();
    auto owned = std::make_unique<OwnedRows>(columns.size());
    for (std::size_t index = 0; index < columns.size(); ++index) {
        const std::int64_t nulls = rows.null_count(columns[index]);
        export_column(std::move(columns[index]), rows.count(), nulls,
                      &owned->columns.children[index]);
    }
    *out = ArrowArray{};
    out->length = static_cast<std::int64_t>(rows.count());
    out->n_buffers = 1;
    out->n_children = static_cast<std::int64_t>(columns.size());
    out->buffers = owned->buffers;
    out->children = owned->columns.pointers.data();
    out->private_data = owned.release();
    out->release = &release<OwnedRows, ArrowArray>;
}

}  // namespace decoder
