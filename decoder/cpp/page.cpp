#include "page.hpp"

#include <limits>
#include <string_view>
#include <utility>

#include "cursor.hpp"
#include "names.hpp"
#include "skip.hpp"
#include "text.hpp"

namespace decoder {
namespace {

class Reader {
public:
    Reader(const Plan& plan, const char* text, std::size_t size)
        : names_(plan), cursor_{text, text + size}, page_{Rows(plan), {}, {}} {}

    Page read() {
        cursor_.expect('{', "not an object");
        if (!cursor_.take('}')) {
            do {
                member();
            } while (cursor_.take(','));
            cursor_.expect('}', "the page has no end");
        }
        cursor_.skip_space();
        if (cursor_.at != cursor_.end) throw Refused{"something behind the page"};
        if (!has_rows_) throw Refused{"no list of rows"};
        return std::move(page_);
    }

private:
    // A member of the page itself.
    void member() {
        cursor_.skip_space();
        const char* const begin = cursor_.at + 1;
        skip_text(cursor_);
        const std::string_view name(begin, static_cast<std::size_t>(cursor_.at - 1 - begin));
        if (name.find('\\') != std::string_view::npos) throw Refused{"a name with an escape"};
        cursor_.expect(':', "a member without a colon");
        if (name == "value") {
            rows();
        } else if (name == "@odata.nextLink") {
            page_.next_link = link(has_next_link_);
        } else if (name == "@odata.deltaLink") {
            page_.delta_link = link(has_delta_link_);
        } else if (name == "error") {
            throw Refused{"an error"};
        } else if (name.ends_with("morerecords")) {
            throw Refused{"it says whether more rows follow"};
        } else {
            skip_value(cursor_);
        }
    }

    std::optional<std::string> link(bool& there) {
        if (std::exchange(there, true)) throw Refused{"a link is there twice"};
        if (cursor_.peek() == 'n') {
            cursor_.expect_word("null", "an unknown word");
            return std::nullopt;
        }
        Buffer text;
        read_text(cursor_, text);
        return std::string(text.size() == 0 ? "" : text.data(), text.size());
    }

    void rows() {
        if (std::exchange(has_rows_, true)) throw Refused{"a list of rows is there twice"};
        cursor_.expect('[', "no list of rows");
        if (cursor_.take(']')) return;
        const char* const begin = cursor_.at;
        do {
            cursor_.expect('{', "a row that is no object");
            page_.rows.begin_row(static_cast<std::size_t>(cursor_.at - begin), cursor_.left());
            if (!cursor_.take('}')) row();
            page_.rows.end_row();
        } while (cursor_.take(','));
        cursor_.expect(']', "the list of rows has no end");
    }

    void row() {
        NameId name = Names::START;
        do {
            name = names_.read(cursor_, name);
            const std::size_t column = names_.column(name);
            if (column == Names::NO_COLUMN) {
                skip_value(cursor_);
            } else {
                page_.rows.read_value(column, cursor_);
            }
        } while (cursor_.take(','));
        cursor_.expect('}', "a row has no end");
    }

    Names names_;
    Cursor cursor_;
    Page page_;
    bool has_rows_ = false;
    bool has_next_link_ = false;
    bool has_delta_link_ = false;
};

}  // namespace

Page read_page(const Plan& plan, const char* text, std::size_t size) {
    // Offsets of texts have 32 bits, and no text gets longer by being read.
    if (size > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
        throw Refused{"larger than 2 GB"};
    }
    return Reader(plan, text, size).read();
}

}  // namespace decoder
