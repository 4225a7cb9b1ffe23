comment on schema raw is 'Bronze: files as they came. Key (_drop_id, _line); _extra holds columns outside the contract; _record a whole record whose field count is wrong.';
